"""One participant's analysis, in order: frame, faces, scores, assessment. Synchronous; one thread owns it."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from guard.core.types import Assessment, FaceView, Reason, Transition, VideoFrame
from guard.core.units import Clock, FaceId, Seconds
from guard.decision.judge import Observation, ParticipantJudge
from guard.detectors.base import Detector
from guard.telemetry.stamps import Stage, Stamps


class FaceSource(Protocol):
    """What finds and follows faces; ``guard.faces.tracker.FaceTracker`` is one."""

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        """The faces in this frame."""

    def close(self) -> None:
        """Release the landmarker."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen in one frame."""

    at: Seconds
    """The frame's arrival, which is the time of its judgement."""
    observations: tuple[Observation, ...]
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one step of the pipeline gave."""

    assessment: Assessment
    transitions: tuple[Transition, ...]
    stamps: Stamps | None
    """When the frame passed each stage; None where time passed without a frame."""


class Pipeline:
    """Follows the faces of one participant and keeps one set of detectors for each face track.

    ``observe`` is called for every analysed frame, in order, from one thread; the first call makes the face
    source, which is heavy and belongs to that thread. It is ``look``, where libraries may fail or hang, and
    then ``judge``. Only ``judge``, ``unjudged`` and ``tick`` touch the judge, so that it can be handed to a
    new pipeline while an old one still looks; no face id of the old one comes up again.
    """

    def __init__(
        self,
        make_faces: Callable[[], FaceSource],
        make_detectors: Callable[[], tuple[Detector, ...]],
        judge: ParticipantJudge,
        clock: Clock,
    ) -> None:
        self._make_faces = make_faces
        self._faces: FaceSource | None = None
        self._make_detectors = make_detectors
        self._judge = judge
        self._clock = clock
        self._detectors: dict[FaceId, tuple[Detector, ...]] = {}
        self._last_known = judge.highest_face

    def observe(self, frame: VideoFrame) -> Verdict:
        """Judge one frame; its arrival time is the time of the judgement."""
        return self.judge(self.look(frame))

    def look(self, frame: VideoFrame) -> Sighting:
        """Find the faces of one frame and let the detectors speak."""
        now = frame.arrived_at
        if self._faces is None:
            self._faces = self._make_faces()
        stamps = Stamps(frame.arrived_at, frame.decoded_at)
        views = self._faces.observe(frame, now)
        stamps.mark(Stage.TRACKED, self._clock())
        observations = tuple(self._observation(view, now) for view in views)
        stamps.mark(Stage.SCORED, self._clock())
        return Sighting(now, observations, stamps)

    def judge(self, seen: Sighting) -> Verdict:
        """Judge what was seen last."""
        assessment = self._judge.observe(seen.observations, seen.at)
        seen.stamps.mark(Stage.DECIDED, self._clock())
        self._forget_gone({one.face_id for one in seen.observations})
        return Verdict(assessment, self._judge.take_transitions(), seen.stamps)

    def unjudged(self, reason: Reason, now: Seconds) -> Verdict:
        """Take note that there was video which could not be judged."""
        assessment = self._judge.observe((Observation(None, (reason,)),), now)
        return Verdict(assessment, self._judge.take_transitions(), None)

    def tick(self, now: Seconds) -> Verdict:
        """Let time pass without video."""
        assessment = self._judge.tick(now)
        return Verdict(assessment, self._judge.take_transitions(), None)

    def close(self) -> None:
        """Release what the faces hold."""
        if self._faces is not None:
            self._faces.close()
        self._detectors.clear()

    def _observation(self, view: FaceView, now: Seconds) -> Observation:
        face_id = self._last_known + view.face_id
        if face_id not in self._detectors:
            self._detectors[face_id] = self._make_detectors()
        scores = (detector.observe(view, now) for detector in self._detectors[face_id])
        spoken = tuple(score for score in scores if score is not None)
        return Observation(face_id, view.quality.reasons, spoken)

    def _forget_gone(self, seen: AbstractSet[FaceId | None]) -> None:
        # a face_id is never used again, but a short gap must not cost a detector its window
        for face_id in self._detectors.keys() - seen - self._judge.known_faces():
            del self._detectors[face_id]
