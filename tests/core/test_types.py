"""What flows is checked where it is built; the error says what was expected and what came."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.core.geometry import Box
from guard.core.types import (
    FAMILY_OF,
    LEARNED,
    SECOND,
    Assessment,
    Cue,
    FaceView,
    Family,
    Quality,
    Reason,
    Score,
    State,
    VideoFrame,
)

pytestmark = pytest.mark.unit


def frame(width: int = 7, height: int = 5, **changes: Any) -> VideoFrame:
    half = ((height + 1) // 2, (width + 1) // 2)
    fields: dict[str, Any] = {
        "y": np.zeros((height, width), np.uint8),
        "u": np.zeros(half, np.uint8),
        "v": np.zeros(half, np.uint8),
        "pts": 0.0,
        "arrived_at": 1.0,
        "decoded_at": 2.0,
    }
    return VideoFrame(**(fields | changes))


def face(**changes: Any) -> FaceView:
    fields: dict[str, Any] = {
        "face_id": 1,
        "box": Box(0, 0, 1, 1),
        "landmarks": np.full((478, 3), 0.5, np.float32),
        "blendshapes": np.zeros(52, np.float32),
        "pose": np.eye(4, dtype=np.float32),
        "quality": Quality(100, 20, 120, 0, 0),
        "frame": frame(),
        "crop": lambda _scale, size: np.zeros((size, size, 3), np.uint8),
    }
    return FaceView(**(fields | changes))


def test_frame_knows_its_size_also_with_odd_sides():
    assert (frame(7, 5).width, frame(7, 5).height) == (7, 5)


@pytest.mark.parametrize(
    ("plane", "array", "told"),
    [
        ("y", np.zeros(5, np.uint8), r"VideoFrame\.y: expected uint8 \(height, width\), got uint8 \(5,\)"),
        ("y", np.zeros((5, 7), np.float32), r"VideoFrame\.y: expected uint8 \(5, 7\), got float32 \(5, 7\)"),
        ("u", np.zeros((2, 3), np.uint8), r"VideoFrame\.u: expected uint8 \(3, 4\), got uint8 \(2, 3\)"),
        ("v", np.zeros((5, 7), np.uint8), r"VideoFrame\.v: expected uint8 \(3, 4\), got uint8 \(5, 7\)"),
    ],
)
def test_plane_of_another_shape_is_refused(plane: str, array: Any, told: str):
    with pytest.raises(ShapeError, match=told):
        frame(**{plane: array})


def test_frame_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        frame().pts = 3.0  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("field", "shape"), [("landmarks", (468, 3)), ("blendshapes", (51,)), ("pose", (3, 4))]
)
def test_face_of_another_shape_is_refused(field: str, shape: tuple[int, ...]):
    with pytest.raises(ShapeError, match=f"FaceView.{field}: expected float32"):
        face(**{field: np.zeros(shape, np.float32)})


def test_landmarks_become_pixels_of_the_frame():
    assert face(frame=frame(200, 100)).points_px()[0].tolist() == [100.0, 50.0]


@pytest.mark.parametrize(("value", "weight"), [(1.01, 1.0), (-0.01, 1.0), (0.5, 1.5), (float("nan"), 1.0)])
def test_score_out_of_range_is_refused(value: float, weight: float):
    with pytest.raises(ShapeError, match=r"Score: expected value and weight in 0\.\.1"):
        Score(Cue.BLINK, value, weight, Reason.BLINKS)


def test_every_cue_speaks_about_one_family_that_can_be_judged():
    assert set(FAMILY_OF) == set(Cue)
    assert set(FAMILY_OF.values()) <= {Family.PRESENTATION, Family.MANIPULATION}
    assert set(Cue) >= LEARNED | SECOND
    assert not LEARNED & SECOND
    assert Score(Cue.FACE_MANIPULATION, 0.5, 1.0, Reason.LEARNED_SCORE).family is Family.MANIPULATION


def test_face_with_a_reason_is_not_good():
    quality = Quality(100, 20, 120, 0, 0)
    assert quality.good
    assert not replace(quality, reasons=(Reason.TOO_DARK,)).good


@pytest.mark.parametrize("state", State)
def test_scores_are_told_only_where_there_is_enough_to_judge_by(state: State):
    assessment = Assessment(1.0, 0.10004, 0.90004, state, 0.5)
    told = (assessment.told_liveness, assessment.told_deepfake)
    assert told == ((None, None) if state is State.INSUFFICIENT else (0.9, 0.1))
