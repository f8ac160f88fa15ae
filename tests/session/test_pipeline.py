"""One participant's pipeline, with scripted faces."""

from collections.abc import Iterator

import numpy as np
import pytest

from guard.config import DecisionSettings
from guard.core.types import (
    Family,
    Reason,
    State,
    TransitionKind,
    VideoFrame,
)
from guard.decision.judge import ParticipantJudge
from guard.session.pipeline import Pipeline
from guard.telemetry.stamps import Stage
from tests.support.scripted import ScriptedDetector, ScriptedFaces

pytestmark = pytest.mark.unit


class Setup:
    """A pipeline over scripted parts."""

    def __init__(self, value: float = 0.05) -> None:
        self.faces = ScriptedFaces()
        self.made: list[ScriptedDetector] = []
        self.now = 0.0
        self.value = value
        self.pipeline = Pipeline(
            lambda: self.faces, self._make, ParticipantJudge(DecisionSettings()), clock=lambda: self.now
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
    setup.pipeline.observe(next(setup.frames(1)))
    setup.pipeline.close()
    assert setup.faces.closed


def test_a_pipeline_that_saw_nothing_made_no_faces() -> None:
    setup = Setup()
    setup.pipeline.close()
    assert not setup.faces.closed


def test_video_that_cannot_be_judged_for_long_is_raised() -> None:
    setup = Setup()
    kinds = []
    for number in range(100):
        verdict = setup.pipeline.unjudged(Reason.DECODE_TROUBLE, number / 2)
        kinds += [(step.family, step.kind) for step in verdict.transitions]
    assert kinds[0] == (Family.GUARD, TransitionKind.RAISE)
    assert verdict.assessment.state is State.INSUFFICIENT
    assert Reason.DECODE_TROUBLE in verdict.assessment.reasons
