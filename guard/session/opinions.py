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
    """The opinions on the faces of one file, in the order of the engines."""

    def __init__(self) -> None:
        self._by_face: dict[FaceId, dict[str, Opinion]] = {}

    def add(self, engine: str, face_id: FaceId, at: Seconds, score: Score) -> None:
        """Take what an engine said of a face."""
        opinions = self._by_face.setdefault(face_id, {})
        opinions.setdefault(engine, Opinion(engine, score.cue)).scores.append((at, score))

    def of(self, face_id: FaceId) -> tuple[Opinion, ...]:
        """What every engine said of a face."""
        return tuple(self._by_face.get(face_id, {}).values())

    def noted(self, detector: Detector, engine: str) -> Detector:
        """The detector, whose scores are noted on their way."""
        return _Heard(detector, engine, self)

    def clear(self) -> None:
        """Forget everything: another file begins."""
        self._by_face.clear()


class _Heard:
    """A detector, whose scores are noted on their way."""

    def __init__(self, detector: Detector, engine: str, opinions: Opinions) -> None:
        self._detector, self._engine, self._opinions = detector, engine, opinions
        self.cue = detector.cue

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        score = self._detector.observe(face, now)
        if score is not None:
            self._opinions.add(self._engine, face.face_id, now, score)
        return score

    def reset(self) -> None:
        self._detector.reset()
