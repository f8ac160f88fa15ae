"""Each face track judged by itself, beside the participant that all of them make up: for recordings."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from guard.config.settings import DecisionSettings
from guard.core.types import Assessment, Family, Reason, State, Transition
from guard.core.units import FaceId, Seconds
from guard.core.windows import held_maximum
from guard.decision.coverage import LONGEST_STEP, MOST_REASONS
from guard.decision.judge import Observation, ParticipantJudge, Step

HELD: Final[Seconds] = 2.0
"""Headline values are the worst that was held for so long."""

SUSPECTED: Final = frozenset({State.SUSPICIOUS, State.ATTACK})
GRAVITY: Final = {State.INSUFFICIENT: 0, State.BONA_FIDE: 0, State.SUSPICIOUS: 1, State.ATTACK: 2}


@dataclass(frozen=True, slots=True)
class Headline:
    """What is thought of one face track as a whole."""

    state: State
    liveness: float | None
    """The lowest that was held for 2 s; None where the face was never judged, or is seen for less."""
    deepfake: float | None
    """The highest that was held for 2 s; None as with ``liveness``."""
    coverage: float
    """Judged share of the time from the first sighting to the last, 0..1."""
    reasons: tuple[Reason, ...]
    """Of the suspicion, or why there is not enough to judge by; the most lasting first, at most three."""


@dataclass(slots=True)
class FaceTrack:
    """One face from its first sighting to its last, as it was judged by itself."""

    face_id: FaceId
    samples: list[Assessment] = field(default_factory=list)
    """One for each analysed frame, also between two sightings; without what each cue contributed."""
    alerted: bool = False
    """Whether it was ever raised."""
    _judged: Seconds = 0.0
    _lost: Counter[Reason] = field(default_factory=Counter)
    _unseen: list[tuple[Assessment, Step]] = field(default_factory=list)
    """Since the last sighting; they count once it is seen again."""

    def take(self, assessment: Assessment, step: Step, *, seen: bool) -> None:
        """Take what was thought after one frame, and whether the face was in it."""
        self._unseen.append((replace(assessment, contributions=()), step))
        if seen:
            for one in self._unseen:
                self._count(*one)
            self._unseen.clear()

    def headline(self, min_coverage: float) -> Headline:
        """The track as a whole; no bona fide is told of one judged for less than ``min_coverage`` of it."""
        state = self._state(min_coverage)
        return Headline(
            state=state,
            liveness=self._held(lambda one: -one.liveness, -1.0),
            deepfake=self._held(lambda one: one.deepfake, 1.0),
            coverage=self.coverage(),
            reasons=self._reasons(state, min_coverage),
        )

    def coverage(self) -> float:
        """Judged share of the time from the first sighting to the last, 0..1."""
        lasted = self.samples[-1].at - self.samples[0].at
        return min(self._judged / lasted, 1.0) if lasted > 0 else 0.0

    def _count(self, assessment: Assessment, step: Step) -> None:
        self.samples.append(assessment)
        if step.judged:
            self._judged += step.length
        else:
            self._lost.update(dict.fromkeys(step.obstacles, max(round(1000 * step.length), 1)))

    def _state(self, min_coverage: float) -> State:
        if self.alerted:
            return State.ATTACK
        worst = self._held_value(lambda one: GRAVITY[one.state])
        if worst:
            return next(state for state, gravity in GRAVITY.items() if gravity == worst)
        cleared = any(one.state is State.BONA_FIDE for one in self.samples)
        return State.BONA_FIDE if cleared and self.coverage() >= min_coverage else State.INSUFFICIENT

    def _held(self, value_of: Callable[[Assessment], float], sign: float) -> float | None:
        worst = self._held_value(value_of)
        return None if worst is None or not self._judged else sign * worst

    def _held_value(self, value_of: Callable[[Assessment], float]) -> float | None:
        held = (
            held_maximum([(one.at, value_of(one)) for one in part], HELD) for part in unbroken(self.samples)
        )
        return max((value for value in held if value is not None), default=None)

    def _reasons(self, state: State, min_coverage: float) -> tuple[Reason, ...]:
        if state is State.BONA_FIDE:
            return ()
        if state is State.INSUFFICIENT:
            seen_too_briefly = self.coverage() >= min_coverage or not self._lost
            return (Reason.WARMING_UP,) if seen_too_briefly else _most(self._lost)
        suspected = (one for one in self.samples if one.state in SUSPECTED)
        return _most(Counter(reason for one in suspected for reason in one.reasons))


class FaceJudges(ParticipantJudge):
    """The participant as a live call judges it, and each of its face tracks by itself.

    A face that is not in a frame counts as not judged, as it would for a participant who has this face only.
    """

    def __init__(self, settings: DecisionSettings) -> None:
        super().__init__(settings)
        self._decision = settings
        self._alone: dict[FaceId, ParticipantJudge] = {}
        self._of_faces: list[tuple[FaceId, Transition]] = []
        self.tracks: dict[FaceId, FaceTrack] = {}
        """Every face track there was, in the order of their first sightings."""

    def observe(self, observations: Sequence[Observation], now: Seconds) -> Assessment:
        """Take what was seen in one frame; return the assessment of the participant."""
        for face_id in (one.face_id for one in observations):
            if face_id is not None and face_id not in self.tracks:
                self.tracks[face_id] = FaceTrack(face_id)
                self._alone[face_id] = ParticipantJudge(self._decision)
        for face_id, judge in list(self._alone.items()):
            self._judge_alone(judge, self.tracks[face_id], observations, now)
        return super().observe(observations, now)

    def take_transitions_of_faces(self) -> tuple[tuple[FaceId, Transition], ...]:
        """Hand out what happened to alerts about single faces since the last call, oldest first.

        ``guard.unjudged`` is not among them: it is about the participant.
        """
        taken = tuple(self._of_faces)
        self._of_faces.clear()
        return taken

    def _judge_alone(
        self, judge: ParticipantJudge, track: FaceTrack, observations: Sequence[Observation], now: Seconds
    ) -> None:
        own = [one for one in observations if one.face_id == track.face_id]
        track.take(judge.observe(own, now), judge.newest, seen=bool(own))
        steps = [step for step in judge.take_transitions() if step.family is not Family.GUARD]
        track.alerted |= bool(steps)
        self._of_faces += [(track.face_id, step) for step in steps]
        if not judge.known_faces():
            del self._alone[track.face_id]


def unbroken(samples: Sequence[Assessment]) -> Iterator[Sequence[Assessment]]:
    """The samples cut where more time passed than a frame speaks for: nothing is held across a gap."""
    cuts = [
        place for place, (one, next_) in enumerate(pairwise(samples), 1) if next_.at - one.at > LONGEST_STEP
    ]
    for begin, end in pairwise([0, *cuts, len(samples)]):
        yield samples[begin:end]


def _most(lasted: "Counter[Reason]") -> tuple[Reason, ...]:
    return tuple(reason for reason, _ in lasted.most_common(MOST_REASONS))
