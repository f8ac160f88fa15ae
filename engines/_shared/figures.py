"""Figures of merit with their counts, and the calibration that a manifest carries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""(n,): higher means attack."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """P(attack) = sigmoid(slope * logit + bias)."""

    slope: float = 1.0
    bias: float = 0.0

    def __call__(self, logits: Scores) -> Scores:
        return 1 / (1 + np.exp(-np.clip(self.slope * logits + self.bias, -40, 40)))


def auc(bona_fide: Scores, attack: Scores) -> float:
    """Area under the ROC curve: the chance that an attack scores above a bona fide picture."""
    order = np.sort(bona_fide)
    below = np.searchsorted(order, attack, "left") + np.searchsorted(order, attack, "right")
    return float(below.mean() / (2 * len(order)))


def equal_error_rate(bona_fide: Scores, attack: Scores) -> float:
    """The error where as many bona fide pictures are refused as attacks accepted."""
    thresholds = np.unique(np.concatenate([bona_fide, attack]))
    refused = np.array([(bona_fide >= t).mean() for t in thresholds])
    accepted = np.array([(attack < t).mean() for t in thresholds])
    at = int(np.argmin(np.abs(refused - accepted)))
    return float((refused[at] + accepted[at]) / 2)


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


def calibrate(bona_fide: Scores, attack: Scores, rounds: int = 60) -> Calibration:
    """Platt's logistic fit by Newton's method, both classes weighing the same, with his smoothed targets."""
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
    found = np.array([1.0, 0.0])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(rows @ found, -40, 40)))
        slope = rows.T @ (weight * (p - y)) + 1e-4 * found
        curve = (rows * (weight * p * (1 - p))[:, None]).T @ rows + 1e-4 * np.eye(2)
        found = found - np.clip(np.linalg.solve(curve, slope), -1, 1)
    return Calibration(float(found[0]), float(found[1]))


def clip_means(scores: Scores, clips: Sequence[str], calibration: Calibration) -> Mapping[str, float]:
    """The mean calibrated probability of each clip."""
    names = np.array(clips)
    return {str(name): float(calibration(scores[names == name]).mean()) for name in dict.fromkeys(clips)}
