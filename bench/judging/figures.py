"""Figures of merit: pure functions of scores, errors and groups. Scores rise with suspicion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines._shared import figures as on_cards

Scores = NDArray[np.float64]
"""(n,): a larger one speaks for an attack."""

Z95 = 1.959963984540054
"""Normal quantile of a two-sided interval of 95 %."""

OFTEN_ENOUGH = 0.9
"""Share of the resamples that must have both classes; below it a bootstrap tells nothing."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``hits`` of ``count``, with Wilson's interval of 95 %."""

    hits: int
    count: int

    @property
    def value(self) -> float | None:
        """0..1; None of nothing."""
        return self.hits / self.count if self.count else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson (1927), 95 %; all of 0..1 where nothing was counted."""
        return wilson(self.hits, self.count)


def wilson(hits: int, count: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a share, 0..1."""
    if count == 0:
        return 0.0, 1.0
    share, spread = hits / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * float(np.sqrt(share * (1 - share) / count + spread / (4 * count)))
    return max(0.0, middle - half), min(1.0, middle + half)


def auc(bona_fide: Scores, attack: Scores) -> float | None:
    """The chance that an attack scores above a bona fide presentation, ties counting half."""
    return on_cards.auc(bona_fide, attack) if bona_fide.size and attack.size else None


def equal_error_rate(bona_fide: Scores, attack: Scores) -> float | None:
    """The mean of APCER and BPCER at the threshold where they differ least."""
    return on_cards.equal_error_rate(bona_fide, attack) if bona_fide.size and attack.size else None


def threshold_at(bona_fide: Scores, share: float) -> float:
    """The lowest threshold at which no more than ``share`` of the bona fide scores reach it."""
    candidates = np.append(np.unique(bona_fide), np.inf)
    refused = 1 - np.searchsorted(np.sort(bona_fide), candidates, "left") / max(bona_fide.size, 1)
    allowed = candidates[refused <= share + 1e-12]
    lowest = float(allowed[0])
    below = bona_fide[bona_fide < lowest]
    return float(np.nextafter(below.max(), np.inf)) if below.size else lowest


def tpr_at_fpr(bona_fide: Scores, attack: Scores, share: float = 0.05) -> float | None:
    """The share of attacks caught where no more than ``share`` of the bona fide presentations are refused."""
    if not (bona_fide.size and attack.size):
        return None
    return float((attack >= threshold_at(bona_fide, share)).mean())


def bpcer(bona_fide: Scores, threshold: float) -> Rate:
    """Bona fide presentations taken for attacks (ISO/IEC 30107-3), among those that were judged."""
    return Rate(int((bona_fide >= threshold).sum()), bona_fide.size)


def apcer(attack: Scores, threshold: float) -> Rate:
    """Attack presentations of one species taken for bona fide, among those that were judged."""
    return Rate(int((attack < threshold).sum()), attack.size)


def auc_of(scores: Scores, attack: NDArray[np.bool_], folds: NDArray[np.intp]) -> float | None:
    """The mean of the folds' AUCs, since scores of different fits do not compare; None without any."""
    found = on_cards.fold_auc(scores, attack, folds)
    return found if np.isfinite(found) else None


def auc_interval(
    scores: Scores,
    attack: NDArray[np.bool_],
    groups: Sequence[str],
    folds: NDArray[np.intp] | None = None,
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """95 % of the AUCs of samples of whole groups, drawn with replacement; None where that says nothing."""
    return bootstrap(groups, weighted_auc(scores, attack, folds), rounds, seed)


def weighted_auc(
    scores: Scores, attack: NDArray[np.bool_], folds: NDArray[np.intp] | None = None
) -> Callable[[Scores], float]:
    """The AUC as a function of weights (n,), the mean over ``folds``; NaN where none has both classes."""
    parts = [np.ones(scores.size, bool)] if folds is None else [folds == fold for fold in np.unique(folds)]
    places = [np.unique(scores[part], return_inverse=True)[1] for part in parts]

    def of(weight: Scores) -> float:
        found = [
            _weighted(place, attack[part], weight[part]) for part, place in zip(parts, places, strict=True)
        ]
        known = [value for value in found if np.isfinite(value)]
        return float(np.mean(known)) if known else float("nan")

    return of


def _weighted(place: NDArray[np.intp], attack: NDArray[np.bool_], weight: Scores) -> float:
    """The AUC of scores in these places of their order."""
    width = int(place.max(initial=-1)) + 1
    attacks = np.bincount(place[attack], weight[attack], width)
    others = np.bincount(place[~attack], weight[~attack], width)
    pairs = attacks.sum() * others.sum()
    return float(attacks @ (np.cumsum(others) - others / 2) / pairs) if pairs else float("nan")


def bootstrap(
    groups: Sequence[str], statistic: Callable[[Scores], float], rounds: int = 1000, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile interval of 95 % of a statistic of weights (n,): how often each sample's group was drawn."""
    names, member = np.unique(np.asarray(groups, str), return_inverse=True)
    if names.size < 2:  # noqa: PLR2004 -- one group tells nothing of others
        return None
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(names.size, np.full(names.size, 1 / names.size), rounds).astype(np.float64)
    found = np.array([statistic(weights[member]) for weights in drawn])
    found = found[np.isfinite(found)]
    if found.size < OFTEN_ENOUGH * rounds:
        return None
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
