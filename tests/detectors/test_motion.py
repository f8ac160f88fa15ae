"""Tests of the still and planar motion cue, on points in space."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from guard.core.blendshapes import BLENDSHAPE_NAMES
from guard.core.types import Reason, Score
from guard.detectors.motion import (
    LIFELESS_AFTER_S,
    SURE_AFTER_S,
    MotionDetector,
    deformation,
    movement,
    on_plane,
)
from tests.support.faces_moving import BLURRED, GOOD, Hold, face_view, jittered, photo_of, seen, solid_face

pytestmark = pytest.mark.unit

FPS = 8.0
RAISE = math.log(0.85 / 0.15)
"""Log-odds at which an alert rises."""

Scene = Callable[[float, np.random.Generator], np.ndarray]


def swaying(at: float, amount: float = 1.0) -> Hold:
    return Hold(
        yaw=8 * amount * np.sin(0.9 * at),
        pitch=5 * amount * np.sin(1.3 * at),
        roll=4 * amount * np.sin(0.7 * at),
        radius=45 * (1 + 0.05 * amount * np.sin(0.5 * at)),
        x=160 + 12 * amount * np.sin(1.1 * at),
        y=120 + 8 * amount * np.sin(0.8 * at),
    )


def held_photo(at: float, rng: np.random.Generator) -> np.ndarray:
    return jittered(seen(photo_of(solid_face()), swaying(at)), rng, 0.12)


def photo_on_a_stand(_at: float, rng: np.random.Generator) -> np.ndarray:
    return jittered(seen(photo_of(solid_face()), Hold()), rng, 0.1)


def talker(at: float, rng: np.random.Generator) -> np.ndarray:
    speaking = solid_face(mouth=0.5 + 0.5 * np.sin(9 * at), lids=float(at % 3 < 0.2))
    return jittered(seen(speaking, swaying(at, 0.5)), rng, 0.12)


def silent_listener(at: float, rng: np.random.Generator) -> np.ndarray:
    return jittered(seen(solid_face(lids=float(at % 4 < 0.25)), swaying(at, 0.2)), rng, 0.12)


def motionless_person(_at: float, rng: np.random.Generator) -> np.ndarray:
    return jittered(seen(solid_face(), Hold()), rng, 0.12)


def watch(
    scene: Scene, seconds: float, detector: MotionDetector | None = None, start: float = 0.0
) -> list[Score | None]:
    detector = detector or MotionDetector()
    rng = np.random.default_rng(5)
    times = start + np.arange(round(seconds * FPS)) / FPS
    return [detector.observe(face_view(scene(float(at), rng)), float(at)) for at in times]


def test_a_photo_in_a_hand_is_planar() -> None:
    last = watch(held_photo, 12)[-1]
    assert last is not None
    assert last.reason is Reason.PLANAR_MOTION
    assert last.value > 0.8
    assert last.weight > 0.5


def test_a_photo_on_a_stand_is_still() -> None:
    last = watch(photo_on_a_stand, 12)[-1]
    assert last is not None
    assert last.reason is Reason.STILL_FACE
    assert 0.5 < last.value < 0.7


@pytest.mark.parametrize("scene", [talker, silent_listener])
def test_a_person_scores_low(scene: Scene) -> None:
    scores = [score for score in watch(scene, 16) if score is not None]
    assert scores
    assert {score.reason for score in scores} == {Reason.LIVE_MOTION}
    assert max(score.value for score in scores) < 0.3


@pytest.mark.parametrize("scene", [motionless_person, photo_on_a_stand])
def test_what_does_not_move_never_decides_alone(scene: Scene) -> None:
    for score in watch(scene, 60):
        if score is not None:
            assert score.weight <= 0.6
            assert score.weight * math.log(score.value / (1 - score.value)) < RAISE


def test_a_carried_face_decides_only_after_many_lifeless_seconds() -> None:
    says = [
        0.0 if score is None else score.weight * math.log(score.value / (1 - score.value))
        for score in watch(held_photo, LIFELESS_AFTER_S + 2)
    ]
    assert max(says[: round(SURE_AFTER_S * FPS)]) < RAISE
    assert says[-1] > 2 * RAISE


def test_a_motionless_person_is_held_against_far_less_than_a_carried_photo() -> None:
    person, photo = watch(motionless_person, 12)[-1], watch(held_photo, 12)[-1]
    assert person is not None
    assert photo is not None
    assert person.weight * (person.value - 0.5) < 0.25 * photo.weight * (photo.value - 0.5)


def test_the_weight_of_stillness_grows_with_time() -> None:
    weights = [score.weight for score in watch(held_photo, 12) if score is not None]
    assert weights[0] < 0.3
    assert all(later >= earlier - 0.1 for earlier, later in pairwise(weights))


def test_there_is_no_opinion_before_three_seconds() -> None:
    assert watch(held_photo, 3.0) == [None] * 24


def test_one_smile_ends_the_suspicion() -> None:
    detector = MotionDetector()
    before = watch(held_photo, 12, detector)[-1]
    after = watch(talker, 1.0, detector, start=12.0)[-1]
    assert before is not None
    assert after is not None
    assert (before.reason, after.reason) == (Reason.PLANAR_MOTION, Reason.LIVE_MOTION)


def test_bad_pictures_are_not_looked_at() -> None:
    detector = MotionDetector()
    rng = np.random.default_rng(1)
    seen_at = (np.arange(100) / FPS).tolist()
    assert {detector.observe(face_view(held_photo(at, rng), BLURRED), at) for at in seen_at} == {None}


def test_reset_forgets() -> None:
    detector = MotionDetector()
    watch(held_photo, 12, detector)
    detector.reset()
    assert watch(held_photo, 2, detector, start=12.0) == [None] * 16


def test_blendshapes_change_nothing() -> None:
    plain, grimacing = MotionDetector(), MotionDetector()
    shapes = dict.fromkeys(BLENDSHAPE_NAMES, 0.9)
    for index in range(60):
        points = seen(photo_of(solid_face()), swaying(index / FPS))
        assert plain.observe(face_view(points), index / FPS) == grimacing.observe(
            face_view(points, GOOD, shapes), index / FPS
        )


def test_a_plane_is_followed_exactly() -> None:
    flat = photo_of(solid_face())
    reference = seen(flat, Hold(radius=1.0, x=0.0, y=0.0))
    moved = np.stack([seen(flat, Hold(yaw, pitch, 3.0, 1.1, 0.1, 0.2)) for yaw, pitch in ((20, 5), (-15, 9))])
    assert on_plane(reference, moved) == pytest.approx(moved, abs=1e-6)


def test_deformation_is_counted_in_units_of_a_photos_jitter() -> None:
    rng = np.random.default_rng(2)
    calm = np.stack(
        [jittered(seen(photo_of(solid_face()), swaying(at)), rng, 0.1) for at in np.arange(28) / FPS]
    )
    assert deformation(_chosen(calm)) < 1.0
    assert movement(_chosen(calm)) > 0.03


def _chosen(tracks: np.ndarray) -> np.ndarray:
    from guard.detectors.motion import _POINTS  # noqa: PLC0415 -- the detector's own choice of points

    return tracks[:, _POINTS]
