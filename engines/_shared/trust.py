"""How far a net may be believed, learned from where it errs on people it never saw; numpy only.

A score moves a decision by weight x log-odds, so the weight of a small or blurred face is the factor on the
log-odds that its labels bear out: 1 where the net is right as often as it says, 0 where it guesses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from _shared.figures import Calibration, Scores, calibrate, probability

MEASURES = ("size_px", "sharpness", "luma")
"""What a weight may depend on, all of them better when higher; the size always does."""

KNOTS, ROUNDS, FOLDS, BINS = 6, 3, 5, 10
CHANGES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
FEWEST = 30
"""Pictures that a threshold of instability must rest on."""

STIFFNESS = 2e-3
"""Penalty on steps between knots: few pictures draw a flat curve."""

NUDGE = 0.96
"""Side of the tighter crop, over the plain one's, that shows how steady a score is."""

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Records:
    """Held-out pictures as a net judged them; every array has one row a picture."""

    logit: Scores
    attack: NDArray[np.bool_]
    group: NDArray[np.str_]
    """The person or clip."""
    measured: Mapping[str, Scores]
    """Each of ``MEASURES``, as the product measures it."""
    nudged: Scores
    """The logit of the same face in a slightly tighter crop."""

    def __len__(self) -> int:
        return len(self.logit)

    def where(self, rows: NDArray[np.bool_]) -> "Records":
        """The chosen rows."""
        measured = {name: values[rows] for name, values in self.measured.items()}
        return Records(self.logit[rows], self.attack[rows], self.group[rows], measured, self.nudged[rows])

    def balance(self) -> Scores:
        """Weights that give both classes the same say; they add up to 1."""
        attacks = int(self.attack.sum())
        return np.where(self.attack, 0.5 / max(attacks, 1), 0.5 / max(len(self) - attacks, 1))


@dataclass(frozen=True, slots=True)
class Curve:
    """A weight 0..1 at rising knots, linear between, constant beyond; and the pictures about each."""

    at: tuple[float, ...]
    weight: tuple[float, ...]
    count: tuple[int, ...]

    def __call__(self, measured: Scores) -> Scores:
        return np.interp(measured, self.at, self.weight)


@dataclass(frozen=True, slots=True)
class Reliability:
    """What was said and what was so, bin by bin, on people that the fit had not seen."""

    predicted: tuple[float, ...]
    attack: tuple[float, ...]
    count: tuple[int, ...]
    error: float
    people: int


@dataclass(frozen=True, slots=True)
class Trust:
    """Everything of [calibration]."""

    calibration: Calibration
    curves: Mapping[str, Curve]
    reliability: Reliability
    most_change: float | None = None
    """Change of the probability from which on a score is not believed; None where that helps nobody."""
    told: tuple[str, ...] = ()
    """How it was found, for the card."""

    def log_odds(self, records: Records) -> Scores:
        """Weighed log-odds of an attack."""
        return weight_of(self.curves, records) * self.calibration.log_odds(records.logit)


def weight_of(curves: Mapping[str, Curve], records: Records) -> Scores:
    """The product of the curves, (n,)."""
    product = np.ones(len(records))
    for name, curve in curves.items():
        product = product * curve(records.measured[name])
    return product


def fit(records: Records) -> Trust:
    """Calibration, curves and the limit of instability from all records; the diagram from people held out.

    Measures other than the size get a curve only where it lowers the log-loss on held-out people by more
    than its standard error over them.
    """
    kept, told = ["size_px"], []
    for name in MEASURES[1:]:
        gain, error = _gain(records, kept, [*kept, name])
        told.append(
            f"weight by {name}: log-loss on held-out people {-gain:+.4f} (standard error {error:.4f})"
        )
        kept += [name] if gain > error else []
    calibration, curves = _fit_both(records, kept)
    predicted = _cross_predicted(records, kept)
    most_change, said = _most_change(records, calibration, curves)
    diagram = reliability(predicted, records)
    return Trust(calibration, curves, diagram, most_change, (*told, said, _line(diagram)))


def reliability(predicted: Scores, records: Records) -> Reliability:
    """The diagram of ``predicted`` probabilities in ten bins of equal width; empty ones are left out."""
    balance = records.balance()
    bins = np.minimum((predicted * BINS).astype(int), BINS - 1)
    rows = [bins == index for index in range(BINS) if (bins == index).any()]
    said = [float(predicted[row].mean()) for row in rows]
    was = [float(np.average(records.attack[row], weights=balance[row])) for row in rows]
    count = [int(row.sum()) for row in rows]
    error = float(np.average(np.abs(np.subtract(said, was)), weights=count))
    return Reliability(tuple(said), tuple(was), tuple(count), error, len(np.unique(records.group)))


def _most_change(
    records: Records, calibration: Calibration, curves: Mapping[str, Curve]
) -> tuple[float | None, str]:
    """The least change under a tighter crop from which on errors double and belief is worse than none.

    The second asks more than the first: a probability near 0.5 moves most, errs most, and claims least.
    """
    plain = probability(calibration.log_odds(records.logit))
    change = np.abs(plain - probability(calibration.log_odds(records.nudged)))
    wrong = (plain >= 0.5) != records.attack  # noqa: PLR2004 -- the middle
    log_odds = weight_of(curves, records) * calibration.log_odds(records.logit)
    said = "instability: no change under a tighter crop doubles the errors and leaves nothing to believe"
    for most in CHANGES:
        moved = change >= most
        if moved.sum() < FEWEST or moved.all():
            break
        rates = wrong[moved].mean(), wrong[~moved].mean()
        left = _left(log_odds[moved], records.attack[moved], records.balance()[moved])
        told = (
            f"of pictures that move by {most:.2f} and more ({moved.mean():.1%}) {rates[0]:.0%} err,"
            f" of the others {rates[1]:.0%}; {left:.2f} of their log-odds is borne out"
            " (by the fit on these very pictures)"
        )
        if rates[0] >= 2 * rates[1] and left < 0.5:  # noqa: PLR2004 -- nearer to nothing than to what is said
            return most, f"instability: {told}"
        said = f"instability does not help: {told}"
    return None, said


def _left(log_odds: Scores, attack: NDArray[np.bool_], balance: Scores) -> float:
    """The factor on these log-odds that their labels bear out, 0..1."""
    factors = np.linspace(0, 1, 21)
    lost = [(balance * _log_loss(probability(factor * log_odds), attack)).sum() for factor in factors]
    return float(factors[int(np.argmin(lost))])


def _line(diagram: Reliability) -> str:
    return (
        f"expected calibration error {diagram.error:.3f}, each person by a fit on the others"
        f" ({sum(diagram.count)} pictures of {diagram.people} held-out people)"
    )


def _fit_both(records: Records, names: Sequence[str]) -> tuple[Calibration, dict[str, Curve]]:
    """Slope and bias on what the curves leave, then the curves on what slope and bias leave, and again."""
    knots = {name: _knots(records.measured[name]) for name in names}
    hats = {name: _hats(records.measured[name], at) for name, at in knots.items()}
    weights = {name: np.ones(len(at)) for name, at in knots.items()}
    balance = records.balance()
    calibration = calibrate(records.logit[~records.attack], records.logit[records.attack])
    for _ in range(ROUNDS):
        for name in names:
            others = [hats[other] @ weights[other] for other in names if other != name]
            log_odds = np.prod([calibration.log_odds(records.logit), *others], axis=0)
            weights[name] = _rising(hats[name], log_odds, records.attack, balance)
        whole = np.prod([hats[name] @ weights[name] for name in names], axis=0)
        calibration = calibrate(
            records.logit[~records.attack],
            records.logit[records.attack],
            trust=(whole[~records.attack], whole[records.attack]),
        )
    return calibration, {name: _as_curve(name, knots[name], weights[name], hats[name]) for name in names}


def _knots(measured: Scores) -> Scores:
    """Equally many pictures between any two, three digits each; one knot where all measure the same."""
    spread = np.quantile(measured, np.linspace(0, 1, KNOTS))
    return np.unique([float(f"{knot:.3g}") for knot in spread])


def _hats(measured: Scores, at: Scores) -> Rows:
    """(n, knots): the share of each knot in the piecewise linear value at each picture."""
    return np.stack([np.interp(measured, at, row) for row in np.eye(len(at))], 1)


def _rising(hats: Rows, log_odds: Scores, attack: NDArray[np.bool_], balance: Scores) -> Scores:
    """The factors at the knots, never falling, greatest 1, that best fit labels to factor x log-odds.

    Projected Newton steps (Bertsekas, 1982) on what each knot adds to the one before it, none below 0.
    """
    rows = np.cumsum(hats[:, ::-1], axis=1)[:, ::-1] * log_odds[:, None]
    steps = np.zeros(hats.shape[1])
    steps[0] = 1.0
    penalty = np.full(len(steps), STIFFNESS)
    penalty[0] = 1e-6
    for _ in range(40):
        predicted = probability(rows @ steps)
        slope = rows.T @ (balance * (predicted - attack)) + penalty * steps
        free = (steps > 0) | (slope < 0)
        if not free.any():
            break
        curve = (rows[:, free] * (balance * predicted * (1 - predicted))[:, None]).T @ rows[:, free]
        move = np.linalg.solve(curve + np.diag(penalty[free] + 1e-9), slope[free])
        before = steps.copy()
        steps[free] = np.maximum(steps[free] - np.clip(move, -0.5, 0.5), 0.0)
        if np.abs(steps - before).max() < 1e-5:  # noqa: PLR2004 -- far below what is written down
            break
    factors = np.cumsum(steps)
    return factors / factors[-1] if factors[-1] > 0 else np.ones(len(factors))


def _as_curve(name: str, at: Scores, weight: Scores, hats: Rows) -> Curve:
    """As it is written down; no size smaller than those seen is believed."""
    knots, values = [float(knot) for knot in at], [round(float(value), 3) for value in weight]
    counts = [round(float(count)) for count in hats.sum(0)]
    if name == "size_px":
        knots, values, counts = [0.75 * knots[0], *knots], [0.0, *values], [0, *counts]
    return Curve(tuple(knots), tuple(values), tuple(counts))


def _folds(group: NDArray[np.str_]) -> Iterator[NDArray[np.bool_]]:
    """Rows of each fold; a person lies in one."""
    people, index = np.unique(group, return_inverse=True)
    order = np.random.default_rng(5).permutation(len(people))
    for fold in range(min(FOLDS, len(people))):
        yield order[index] % FOLDS == fold


def _cross_predicted(records: Records, names: Sequence[str]) -> Scores:
    """P(attack), weighed, of each picture by a fit that saw nothing of its person."""
    predicted = np.full(len(records), 0.5)
    for fold in _folds(records.group):
        learnt, kept = records.where(~fold), records.where(fold)
        if learnt.attack.all() or not learnt.attack.any():
            continue
        calibration, curves = _fit_both(learnt, names)
        log_odds = weight_of(curves, kept) * calibration.log_odds(kept.logit)
        predicted[fold] = probability(log_odds)
    return predicted


def _gain(records: Records, before: Sequence[str], after: Sequence[str]) -> tuple[float, float]:
    """How much the log-loss on held-out people falls with more curves, and its standard error over people."""
    lost = [_log_loss(_cross_predicted(records, names), records.attack) for names in (before, after)]
    gain = (lost[0] - lost[1]) * records.balance() * len(records)
    people, index = np.unique(records.group, return_inverse=True)
    each = np.bincount(index, gain) / np.bincount(index)
    return float(gain.mean()), float(each.std() / np.sqrt(len(people)))


def _log_loss(predicted: Scores, attack: NDArray[np.bool_]) -> Scores:
    inside = np.clip(predicted, 1e-6, 1 - 1e-6)
    return -np.log(np.where(attack, inside, 1 - inside))
