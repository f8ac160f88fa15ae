"""One participant's pipeline, with scripted faces."""

from collections.abc import Iterator

import numpy as np
import pytest

from guard.config import DecisionSettings
from guard.core.geometry import bounding_box
from guard.core.types import (
    BLENDSHAPES,
    LANDMARKS,
    Cue,
    FaceView,
    Quality,
    Reason,
    Score,
    State,
    TransitionKind,
    VideoFrame,
)
from guard.core.units import Seconds
from guard.decision.judge import ParticipantJudge
from guard.session.pipeline import Pipeline
from guard.telemetry.stamps import Stage
from tests.support.faces import drawn_points

pytestmark = pytest.mark.unit


def view_of(frame: VideoFrame, face_id: int) -> FaceView:
    points = drawn_points((frame.width / 2, frame.height / 2), frame.height * 0.8)
    flat = points / np.array([frame.width, frame.height], np.float32)
    return FaceView(
        face_id=face_id,
        box=bounding_box(points),
        landmarks=np.column_stack([flat, np.zeros(LANDMARKS)]).astype(np.float32),
        blendshapes=np.zeros(BLENDSHAPES, np.float32),
        pose=np.eye(4, dtype=np.float32),
        quality=Quality(size_px=90.0, sharpness=100.0, luma=120.0, yaw=0.0, pitch=0.0),
        frame=frame,
        crop=lambda _scale, size: np.zeros((size, size, 3), np.uint8),
    )


class ScriptedFaces:
    """Shows a face with this id in every frame, or none."""

    def __init__(self) -> None:
        self.face_id: int | None = 1
        self.closed = False

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        del now
        return () if self.face_id is None else (view_of(frame, self.face_id),)

    def close(self) -> None:
        self.closed = True


class ScriptedDetector:
    """Says the same of every face."""

    cue = Cue.FACE_MANIPULATION

    def __init__(self, value: float) -> None:
        self.value = value
        self.seen = 0

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        del face, now
        self.seen += 1
        return Score(self.cue, self.value, 1.0, Reason.LEARNED_SCORE)

    def reset(self) -> None:
        self.seen = 0


class Setup:
    """A pipeline over scripted parts."""

    def __init__(self, value: float = 0.05) -> None:
        self.faces = ScriptedFaces()
        self.made: list[ScriptedDetector] = []
        self.now = 0.0
        self.value = value
        self.pipeline = Pipeline(
            self.faces, self._make, ParticipantJudge(DecisionSettings()), clock=lambda: self.now
        )

    def _make(self) -> tuple[ScriptedDetector, ...]:
        self.made.append(ScriptedDetector(self.value))
        return (self.made[-1],)

    def frames(self, seconds: float, fps: float = 8.0) -> Iterator[VideoFrame]:
        for _ in range(round(seconds * fps)):
            self.now += 1 / fps
            plane = np.full((48, 64), 128, np.uint8)
            half = np.full((24, 32), 128, np.uint8)
            yield VideoFrame(plane, half, half, self.now, self.now, self.now)


def test_a_quiet_face_is_bona_fide_and_raises_nothing() -> None:
    setup = Setup()
    verdicts = [setup.pipeline.observe(frame) for frame in setup.frames(10)]
    assert verdicts[-1].assessment.state is State.BONA_FIDE
    assert verdicts[-1].assessment.coverage > 0.95
    assert not any(verdict.transitions for verdict in verdicts)


def test_a_loud_face_raises_once() -> None:
    setup = Setup(value=0.999)
    kinds = [t.kind for frame in setup.frames(10) for t in setup.pipeline.observe(frame).transitions]
    assert kinds.count(TransitionKind.RAISE) == 1
    assert kinds[0] is TransitionKind.RAISE


def test_each_face_track_has_detectors_of_its_own() -> None:
    setup = Setup()
    for frame in setup.frames(1):
        setup.pipeline.observe(frame)
    setup.faces.face_id = 2
    for frame in setup.frames(2):
        setup.pipeline.observe(frame)
    assert [detector.seen for detector in setup.made] == [8, 16]


def test_detectors_of_a_face_that_is_gone_are_forgotten() -> None:
    setup = Setup()
    for frame in setup.frames(1):
        setup.pipeline.observe(frame)
    setup.faces.face_id = None
    for frame in setup.frames(10):
        setup.pipeline.observe(frame)
    assert not setup.pipeline._detectors


def test_a_short_gap_keeps_the_detectors() -> None:
    setup = Setup()
    for face_id, seconds in ((1, 1.0), (None, 0.5), (1, 1.0)):
        setup.faces.face_id = face_id
        for frame in setup.frames(seconds):
            setup.pipeline.observe(frame)
    assert len(setup.made) == 1


def test_every_stage_is_stamped() -> None:
    setup = Setup()
    verdict = setup.pipeline.observe(next(setup.frames(1)))
    assert verdict.stamps is not None
    assert set(verdict.stamps.durations()) == {
        Stage.DECODED,
        Stage.TRACKED,
        Stage.SCORED,
        Stage.DECIDED,
        "total",
    }


def test_time_without_frames_fades_coverage() -> None:
    setup = Setup()
    for frame in setup.frames(6):
        setup.pipeline.observe(frame)
    verdict = setup.pipeline.tick(setup.now + 10)
    assert verdict.assessment.state is State.INSUFFICIENT
    assert verdict.stamps is None


def test_close_releases_the_faces() -> None:
    setup = Setup()
    setup.pipeline.close()
    assert setup.faces.closed
