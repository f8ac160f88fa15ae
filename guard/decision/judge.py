"""One participant: observations of its faces in, an assessment and the steps of its alerts out."""

from collections import deque
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from guard.config.settings import DecisionSettings
from guard.core.types import (
    Assessment,
    Contribution,
    Family,
    Reason,
    Score,
    State,
    Transition,
    TransitionKind,
)
from guard.core.units import FaceId, Seconds
from guard.decision.coverage import Coverage
from guard.decision.fusion import PRIOR, Fusion, logit, probability_of
from guard.decision.hysteresis import Hysteresis
from guard.decision.severity import SUPPORT, severity_of
from guard.decision.unjudged import UnjudgedWatch

__all__ = ["Observation", "ParticipantJudge", "Transition", "TransitionKind"]

FAMILIES = (Family.MANIPULATION, Family.PRESENTATION, Family.INJECTION)
"""What a participant can be suspected of."""

SPOKEN_WITHIN: Seconds = 1.0
"""A face counts as judged while a cue spoke within this time: slow cues do so about once a second."""

FORGET_AFTER: Seconds = 5.0
"""A face unseen for so long is forgotten with its evidence; the tracker has given its face_id up before."""

PENDING = 64
"""Transitions kept until they are taken, which is after every frame; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One face in one analysed frame, or ``face_id`` None for why there is none."""

    face_id: FaceId | None
    reasons: tuple[Reason, ...] = ()
    """Of the quality gate; empty when the face can be judged."""
    scores: tuple[Score, ...] = ()

    def obstacles(self) -> tuple[Reason, ...]:
        """Why this face was not judged."""
        abstained = tuple(score.reason for score in self.scores if score.weight == 0.0)
        return self.reasons or abstained or (Reason.WARMING_UP,)


NOBODY = Observation(None, (Reason.NO_FACE,))


@dataclass(frozen=True, slots=True)
class Step:
    """The time that one frame speaks for, and whether it could be judged."""

    length: Seconds
    judged: bool
    obstacles: tuple[Reason, ...]
    """What stood in the way, of any face; also while another face was judged."""


class _Face:
    """Evidence of one face track, and whether it can be judged in the frame at hand."""

    def __init__(self, half_life_s: Seconds) -> None:
        self.fusion = Fusion(half_life_s)
        self.seen_at: Seconds = 0.0
        self._usable = False

    def take(self, observation: Observation, now: Seconds) -> None:
        self.seen_at = now
        self._usable = not observation.reasons
        for score in observation.scores:
            self.fusion.add(score, now)

    def judged(self, family: Family, now: Seconds) -> bool:
        return self._usable and self.seen_at == now and self.fusion.spoken_within(family, SPOKEN_WITHIN, now)

    def worst(self, now: Seconds) -> float:
        return max(self.fusion.probability(family, now) for family in FAMILIES)


class ParticipantJudge:
    """Call ``observe`` for every analysed frame, with or without a face, and ``tick`` while none come.

    Times are seconds on one clock that never runs backwards. The participant is judged by its worst face.
    """

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self._faces: dict[FaceId, _Face] = {}
        self._alerts = {family: Hysteresis(settings) for family in FAMILIES}
        self._raised_on: dict[Family, FaceId | None] = {}
        self._coverage = Coverage(settings.coverage_window_s)
        self._unjudged = UnjudgedWatch(settings)
        self._transitions: deque[Transition] = deque(maxlen=PENDING)
        self.highest_face: FaceId = 0
        """Of all faces ever told of; ``known_faces`` forgets."""
        self.newest = Step(0.0, judged=False, obstacles=())
        """What the newest frame added."""

    def observe(self, observations: Sequence[Observation], now: Seconds) -> Assessment:
        """Take what was seen in one frame."""
        seen = observations or (NOBODY,)
        self._take_faces(seen, now)
        judged = any(face.judged(family, now) for face in self._faces.values() for family in FAMILIES)
        obstacles = tuple(dict.fromkeys(reason for one in seen for reason in one.obstacles()))
        length = self._coverage.add(now, judged=judged, reasons=obstacles)
        self.newest = Step(length, judged, obstacles)
        for family in FAMILIES:
            self._step(family, length, now)
        assessment = self._assess(now)
        self._transitions.extend(self._unjudged.step(assessment, self._coverage.reasons(now), length))
        return assessment

    def tick(self, now: Seconds) -> Assessment:
        """Let time pass without a frame: evidence and coverage fade, alerts stay as they are."""
        return self._assess(now)

    def take_transitions(self) -> tuple[Transition, ...]:
        """Hand out what happened to alerts since the last call, oldest first."""
        taken = tuple(self._transitions)
        self._transitions.clear()
        return taken

    def known_faces(self) -> AbstractSet[FaceId]:
        """The face tracks whose evidence is kept."""
        return self._faces.keys()

    def _take_faces(self, observations: Iterable[Observation], now: Seconds) -> None:
        for one in observations:
            if one.face_id is not None:
                self.highest_face = max(self.highest_face, one.face_id)
                face = self._faces.setdefault(one.face_id, _Face(self._settings.half_life_s))
                face.take(one, now)
        for face_id, face in list(self._faces.items()):
            if now - face.seen_at > FORGET_AFTER:
                del self._faces[face_id]

    def _step(self, family: Family, length: Seconds, now: Seconds) -> None:
        kind = self._alerts[family].step(
            self._probability(family, now),
            length,
            judged=self._judged_for_clearing(family, now),
            covered=self._coverage.share(now) >= self._settings.min_coverage,
        )
        if kind is TransitionKind.RAISE:
            self._raised_on[family] = self._worst_face(family, now)
        if kind is not None:
            self._transitions.append(self._transition(family, kind, now))

    def _judged_for_clearing(self, family: Family, now: Seconds) -> bool:
        # while the suspected face is around, another face's good record does not speak for it
        suspected = self._raised_on.get(family)
        faces = [suspected] if suspected in self._faces else self._faces
        return any(self._faces[face_id].judged(family, now) for face_id in faces)

    def _transition(self, family: Family, kind: TransitionKind, now: Seconds) -> Transition:
        face_id = self._worst_face(family, now)
        contributions = self._faces[face_id].fusion.contributions(family, now) if face_id is not None else ()
        return Transition(
            family=family,
            kind=kind,
            at=now,
            probability=self._probability(family, now),
            severity=severity_of(contributions, logit(self._settings.raise_at)),
            coverage=self._coverage.share(now),
            contributions=contributions,
            reasons=_supporting(contributions),
            face_id=face_id,
        )

    def _assess(self, now: Seconds) -> Assessment:
        risks = {family: self._probability(family, now) for family in FAMILIES}
        coverage = self._coverage.share(now)
        worst = max(self._faces, key=lambda face_id: self._faces[face_id].worst(now), default=None)
        contributions = self._contributions(worst, now)
        obstacles = self._coverage.reasons(now) if coverage < self._settings.min_coverage else ()
        state = self._state(risks, coverage)
        suspected = state in {State.ATTACK, State.SUSPICIOUS}
        return Assessment(
            at=now,
            deepfake=risks[Family.MANIPULATION],
            liveness=1.0 - max(risks[Family.PRESENTATION], risks[Family.INJECTION]),
            state=state,
            coverage=coverage,
            reasons=(_supporting(contributions) if suspected else ()) + obstacles,
            contributions=contributions,
            face_id=worst,
        )

    def _state(self, risks: dict[Family, float], coverage: float) -> State:
        open_alerts = [family for family in FAMILIES if self._alerts[family].raised]
        if any(risks[family] >= self._settings.clear_at for family in open_alerts):
            return State.ATTACK
        if max(risks.values()) >= self._settings.suspicious_at:
            return State.SUSPICIOUS
        if coverage < self._settings.min_coverage:
            return State.INSUFFICIENT
        # an open alert and a clean bill would contradict each other on one screen
        return State.SUSPICIOUS if open_alerts else State.BONA_FIDE

    def _contributions(self, face_id: FaceId | None, now: Seconds) -> tuple[Contribution, ...]:
        if face_id is None:
            return ()
        fusion = self._faces[face_id].fusion
        return tuple(part for family in FAMILIES for part in fusion.contributions(family, now))

    def _probability(self, family: Family, now: Seconds) -> float:
        spoken = (face.fusion.probability(family, now) for face in self._faces.values())
        return max(spoken, default=probability_of(PRIOR))

    def _worst_face(self, family: Family, now: Seconds) -> FaceId | None:
        return max(
            self._faces,
            key=lambda face_id: self._faces[face_id].fusion.probability(family, now),
            default=None,
        )


def _supporting(contributions: Iterable[Contribution]) -> tuple[Reason, ...]:
    return tuple(part.reason for part in contributions if part.log_odds >= SUPPORT)
