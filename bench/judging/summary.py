"""Judgements to figures: one engine under one setting, abstentions told apart from errors."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bench.judging.figures import (
    Rate,
    Scores,
    apcer,
    auc_interval,
    auc_of,
    bpcer,
    equal_error_rate,
    tpr_at_fpr,
)
from bench.judging.judge import Judged
from engines._shared.shortcuts import cross_fitted

DIGITS = 4


@dataclass(frozen=True, slots=True)
class Scored:
    """What one judge said of presentations, in arrays (n,); ``value`` says 0.5 where it abstained."""

    value: Scores
    """P(attack), or any score that rises with it."""
    judged: NDArray[np.bool_]
    """False where the judge abstained."""
    attack: NDArray[np.bool_]
    group: NDArray[np.str_]
    species: NDArray[np.str_]
    """Empty of bona fide."""
    fold: NDArray[np.intp]
    """Which fit the score is from; scores compare only within one. All 0 of one judge."""

    @classmethod
    def by_engine(cls, judged: Sequence[Judged], engine: str) -> Self:
        """Of pictures, by one engine."""
        scores = [one.scores[engine] for one in judged]
        spoken = [score.weight > 0 for score in scores]
        return cls._of(judged, [score.value for score in scores], spoken)

    @classmethod
    def by_shortcuts(cls, judged: Sequence[Judged]) -> Self:
        """Of pictures, by simple measures alone, fitted on other groups; logits in place of probabilities."""
        known = [place for place, one in enumerate(judged) if one.features is not None]
        logits, folds = np.full(len(judged), np.nan), np.zeros(len(judged), np.intp)
        seen = [judged[place] for place in known]
        if seen:
            rows = np.stack([one.features for one in seen if one.features is not None])
            attack = np.array([one.row.attack for one in seen])
            logits[known], folds[known] = cross_fitted(rows, attack, [one.row.group for one in seen])
        scored = cls._of(judged, np.nan_to_num(logits).tolist(), np.isfinite(logits).tolist())
        return replace(scored, fold=folds)

    @classmethod
    def _of(cls, judged: Sequence[Judged], value: Sequence[float], spoken: Sequence[bool]) -> Self:
        return cls(
            np.array(value, np.float64),
            np.array(spoken, bool),
            np.array([one.row.attack for one in judged], bool),
            np.array([one.row.group for one in judged], str),
            np.array([one.row.species for one in judged], str),
            np.zeros(len(judged), np.intp),
        )

    def where(self, chosen: NDArray[np.bool_]) -> "Scored":
        """A part of them."""
        return Scored(
            self.value[chosen],
            self.judged[chosen],
            self.attack[chosen],
            self.group[chosen],
            self.species[chosen],
            self.fold[chosen],
        )

    @property
    def bona_fide(self) -> Scores:
        """Scores of the bona fide presentations that were judged."""
        return self.value[self.judged & ~self.attack]

    @property
    def attacks(self) -> Scores:
        """Scores of the attacks that were judged."""
        return self.value[self.judged & self.attack]

    @property
    def groups(self) -> int:
        """How many people, scenes or clips."""
        return len(np.unique(self.group))

    def abstained(self, *, attack: bool) -> Rate:
        """Presentations of one class that were not judged."""
        chosen = self.attack == attack
        return Rate(int((chosen & ~self.judged).sum()), int(chosen.sum()))

    def auc(self) -> float | None:
        """Of those judged."""
        kept = self.where(self.judged)
        return auc_of(kept.value, kept.attack, kept.fold)

    def interval(self, seed: int = 0) -> tuple[float, float] | None:
        """Of ``auc``, by bootstrap over groups."""
        kept = self.where(self.judged)
        return auc_interval(kept.value, kept.attack, kept.group.tolist(), kept.fold, seed=seed)

    def by_species(self) -> dict[str, "Scored"]:
        """Each species' attacks, beside all bona fide presentations."""
        names = sorted(set(self.species[self.attack].tolist()))
        return {name: self.where(~self.attack | (self.species == name)) for name in names}


def last_line(scored: Scored, reasons: Counter[str], threshold: float) -> dict[str, Any]:
    """The keys that the bench is known by, and what the abstentions were."""
    low, high = scored.interval() or (None, None)
    everything = replace(scored, judged=np.ones_like(scored.judged))
    errors = {name: apcer(part.attacks, threshold).value for name, part in scored.by_species().items()}
    return {
        "auc": rounded(scored.auc()),
        "auc_lo": rounded(low),
        "auc_hi": rounded(high),
        "eer": rounded(equal_error_rate(scored.bona_fide, scored.attacks)),
        "tpr_at_fpr5": rounded(tpr_at_fpr(scored.bona_fide, scored.attacks)),
        "bpcer": rounded(bpcer(scored.bona_fide, threshold).value),
        "apcer": {name: rounded(value) for name, value in errors.items()},
        "n": len(scored.value),
        "groups": scored.groups,
        "judged": int(scored.judged.sum()),
        "abstained": {
            "bona_fide": scored.abstained(attack=False).hits,
            "attack": scored.abstained(attack=True).hits,
        },
        "abstained_because": dict(reasons.most_common()),
        "auc_with_abstentions": rounded(everything.auc()),
        "threshold": threshold,
    }


def reasons_of(judged: Sequence[Judged], engine: str) -> Counter[str]:
    """Why an engine abstained, how often."""
    scores = (one.scores[engine] for one in judged)
    return Counter(score.reason.value for score in scores if not score.weight)


def rounded(value: float | None) -> float | None:
    """To four digits."""
    return None if value is None else round(value, DIGITS)
