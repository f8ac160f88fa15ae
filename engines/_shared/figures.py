"""Figures of merit with their counts, and the calibration that a manifest carries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""(n,): higher means attack."""

LEAST_SLOPE = 0.01
"""Given to a net that knows nothing, or the contrary: a larger logit never speaks against an attack."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(attack) = sigmoid(slope * logit + bias)."""

    slope: float = 1.0
    bias: float = 0.0

    def __call__(self, logits: Scores) -> Scores:
        return probability(self.log_odds(logits))

    def log_odds(self, logits: Scores) -> Scores:
        """Log-odds of an attack."""
        return self.slope * logits + self.bias


def probability(log_odds: Scores) -> Scores:
    """The probability of log-odds, never quite 0 or 1."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -40, 40))))


def auc(bona_fide: Scores, attack: Scores) -> float:
    """Area under the ROC curve: the chance that an attack scores above a bona fide picture."""
    order = np.sort(bona_fide)
    below = np.searchsorted(order, attack, "left") + np.searchsorted(order, attack, "right")
    return float(below.mean() / (2 * len(order)))


def fold_auc(scores: Scores, attack: NDArray[np.bool_], folds: NDArray[np.intp]) -> float:
    """The mean of the folds' AUCs, since scores of different fits do not compare.

    NaN where no fold has both classes.
    """
    parts = [folds == fold for fold in np.unique(folds)]
    sides = [(scores[part & ~attack], scores[part & attack]) for part in parts]
    found = [auc(*both) for both in sides if all(map(len, both))]
    return float(np.mean(found)) if found else float("nan")


def equal_error_rate(bona_fide: Scores, attack: Scores) -> float:
    """The mean of APCER and BPCER at the threshold where they differ least; bench/ tells the same."""
    thresholds = np.append(np.unique(np.concatenate([bona_fide, attack])), np.inf)
    accepted = np.searchsorted(np.sort(attack), thresholds, "left") / attack.size
    refused = 1 - np.searchsorted(np.sort(bona_fide), thresholds, "left") / bona_fide.size
    at = int(np.argmin(np.abs(accepted - refused)))
    return float((accepted[at] + refused[at]) / 2)


def rates(
    bona_fide: Scores, attack: Scores, calibration: Calibration, threshold: float = 0.5
) -> tuple[float, float]:
    """APCER and BPCER at ``threshold`` on the calibrated probability."""
    return float((calibration(attack) < threshold).mean()), float(
        (calibration(bona_fide) >= threshold).mean()
    )


def summary(name: str, bona_fide: Scores, attack: Scores, calibration: Calibration) -> str:
    """One line for the card: AUC, EER, APCER, BPCER, and how many pictures they rest on."""
    apcer, bpcer = rates(bona_fide, attack, calibration)
    return (
        f"{name}: AUC {auc(bona_fide, attack):.3f} EER {equal_error_rate(bona_fide, attack):.3f}"
        f" APCER {apcer:.3f} BPCER {bpcer:.3f} ({len(bona_fide)} bona fide, {len(attack)} attack)"
    )


def calibrate(
    bona_fide: Scores, attack: Scores, trust: tuple[Scores, Scores] | None = None, rounds: int = 60
) -> Calibration:
    """Platt's logistic fit by Newton's method, both classes weighing the same, with his smoothed targets.

    ``trust`` holds a factor on the log-odds of each bona fide picture and of each attack.
    """
    x = np.concatenate([bona_fide, attack])
    y = np.concatenate(
        [
            np.full(len(bona_fide), 1 / (len(bona_fide) + 2)),
            np.full(len(attack), (len(attack) + 1) / (len(attack) + 2)),
        ]
    )
    weight = np.concatenate(
        [np.full(len(bona_fide), 0.5 / len(bona_fide)), np.full(len(attack), 0.5 / len(attack))]
    )
    rows = np.stack([x, np.ones_like(x)], 1)
    if trust is not None:
        rows *= np.concatenate(trust)[:, None]
    found = np.array([1.0, 0.0])
    for _ in range(rounds):
        p = probability(rows @ found)
        slope = rows.T @ (weight * (p - y)) + 1e-4 * found
        curve = (rows * (weight * p * (1 - p))[:, None]).T @ rows + 1e-4 * np.eye(2)
        found = found - np.clip(np.linalg.solve(curve, slope), -1, 1)
    return Calibration(max(float(found[0]), LEAST_SLOPE), float(found[1]))


def clip_means(scores: Scores, clips: Sequence[str], calibration: Calibration) -> Mapping[str, float]:
    """The mean calibrated probability of each clip."""
    names = np.array(clips)
    return {str(name): float(calibration(scores[names == name]).mean()) for name in dict.fromkeys(clips)}
