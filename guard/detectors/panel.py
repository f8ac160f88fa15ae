"""Several judges of one cue that give one opinion together."""

from collections.abc import Sequence

from guard.core.types import Cue, FaceView, Reason, Score
from guard.core.units import Seconds
from guard.detectors.base import Detector


class Panel:
    """The mean of what several learned judges say of one picture, as heavy as those who speak are on average.

    They see the same pixels, so however many agree, they are one witness.
    """

    def __init__(self, cue: Cue, judges: Sequence[Detector]) -> None:
        self.cue = cue
        self._judges = judges

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        """One score; the first judge's abstention where all abstain."""
        scores = [score for judge in self._judges if (score := judge.observe(face, now)) is not None]
        spoken = [score for score in scores if score.weight > 0.0]
        if not spoken:
            return scores[0] if scores else None
        weight = sum(score.weight for score in spoken)
        value = sum(score.value * score.weight for score in spoken) / weight
        return Score(self.cue, min(value, 1.0), min(weight / len(spoken), 1.0), Reason.LEARNED_SCORE)

    def reset(self) -> None:
        """Forget everything: the track was cut."""
        for judge in self._judges:
            judge.reset()
