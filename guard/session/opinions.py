"""Which engine said what of each face of a file: what the judge hears only put together."""

from dataclasses import dataclass, field
from typing import Any

from guard.core.types import FAMILY_OF, SECOND, Cue, FaceView, Score
from guard.core.units import FaceId, Seconds
from guard.detectors.base import Detector


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one engine said of one face track."""

    engine: str
    cue: Cue
    scores: list[tuple[Seconds, Score]] = field(default_factory=list)
    """By media time; those of weight 0 are abstentions."""

    @property
    def second(self) -> bool:
        """Whether it was asked beside the engine of its task."""
        return self.cue in SECOND

    @property
    def spoken(self) -> list[tuple[Seconds, Score]]:
        """The scores that are no abstentions."""
        return [(at, score) for at, score in self.scores if score.weight > 0.0]

    @property
    def probability(self) -> float | None:
        """The mean P(attack), each by its weight, 0..1; None where it always abstained."""
        weight = sum(score.weight for _, score in self.spoken)
        return sum(score.value * score.weight for _, score in self.spoken) / weight if weight else None

    def as_fields(self) -> dict[str, Any]:
        """The form in JSON."""
        probability, spoken = self.probability, self.spoken
        return {
            "engine": self.engine,
            "family": FAMILY_OF[self.cue].value,
            "second": self.second,
            "probability": None if probability is None else round(probability, 3),
            "judged": len(spoken),
            "abstained": len(self.scores) - len(spoken),
            "timeline": [
                [round(at, 3), round(score.value, 3), round(score.weight, 3)] for at, score in spoken
            ],
        }


class Opinions:
    """The opinions of the engines on the faces of one file."""

    def __init__(self) -> None:
        self._by_engine: dict[str, dict[FaceId, Opinion]] = {}

    def noted(self, detector: Detector, engine: str) -> Detector:
        """The detector of an engine, whose scores are noted on their way."""
        return _Noted(detector, engine, self._by_engine.setdefault(engine, {}))

    def of(self, face_id: FaceId) -> tuple[Opinion, ...]:
        """What was said of a face, in the order in which the engines were first named."""
        return tuple(said[face_id] for said in self._by_engine.values() if face_id in said)


class _Noted:
    """See ``Opinions.noted``."""

    def __init__(self, detector: Detector, engine: str, said: dict[FaceId, Opinion]) -> None:
        self._detector, self._engine, self._said = detector, engine, said
        self.cue = detector.cue

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        score = self._detector.observe(face, now)
        if score is not None:
            opinion = self._said.setdefault(face.face_id, Opinion(self._engine, self.cue))
            opinion.scores.append((now, score))
        return score

    def reset(self) -> None:
        self._detector.reset()
