"""The tables of a card: by species, by codec and size, by skin, light; each with counts and intervals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.judging.figures import Rate, apcer, bpcer, equal_error_rate, tpr_at_fpr
from bench.judging.judge import Judged, Setting
from bench.judging.measures import FEATURES
from bench.judging.summary import Scored

ENOUGH_PEOPLE = 20
"""With fewer groups nothing is said of a part of the people."""

SIMPLE = "simple measures"
"""The reading of brightness, colour, sharpness and size."""

GAP = 2.0
"""Parts whose rates differ by more than this factor are named."""

NONE = "-"

Bins = Sequence[tuple[str, float]]
"""Names and lower ends, from the highest on."""

SKIN: Bins = (
    ("very light (ITA > 55°)", 55.0),
    ("light (41° to 55°)", 41.0),
    ("intermediate (28° to 41°)", 28.0),
    ("tan (10° to 28°)", 10.0),
    ("brown (-30° to 10°)", -30.0),
    ("dark (< -30°)", -91.0),
)
"""Classes of the individual typology angle (Chardon et al. 1991; Del Bino and Bernerd 2013)."""

LIGHT: Bins = (("bright (luma > 150)", 150.0), ("middle (80 to 150)", 80.0), ("dim (< 80)", -1.0))


@dataclass(frozen=True, slots=True)
class Table:
    """Lines of words under a heading."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    names: int = 1
    """So many columns, the first ones, say what a line is about."""


def ladder(
    runs: Mapping[Setting, Sequence[Judged]], engine: str, others: Sequence[str], threshold: float
) -> Table:
    """One line a setting: the engine in full, references and simple measures by their AUC."""
    columns = ("setting", "n", "abstained", "AUC", "EER", "TPR at FPR 5 %", "BPCER", "APCER")
    lines = []
    for setting, judged in runs.items():
        scored = Scored.by_engine(judged, engine)
        errors = (bpcer(scored.bona_fide, threshold), apcer(scored.attacks, threshold))
        lines.append(
            (
                str(setting),
                str(len(judged)),
                f"{abstained(scored, attack=False)} / {abstained(scored, attack=True)}",
                auc_words(scored),
                number(equal_error_rate(scored.bona_fide, scored.attacks)),
                number(tpr_at_fpr(scored.bona_fide, scored.attacks)),
                *(rate(error) for error in errors),
                *(auc_words(Scored.by_engine(judged, other)) for other in others),
                auc_words(Scored.by_shortcuts(judged)),
            )
        )
    heads = tuple(f"{other}: AUC" for other in (*others, SIMPLE))
    notes = (
        f"APCER and BPCER at P >= {threshold}, Wilson's 95 % in brackets; abstained: bona fide / attack",
        "AUC of what was judged; in brackets 95 % by bootstrap over groups",
        f"{SIMPLE}: a logistic reading of {', '.join(FEATURES)} of the face, fitted on other groups",
    )
    return Table(f"{engine}: by codec and face size", (*columns, *heads), tuple(lines), notes)


def by_species(runs: Mapping[Setting, Sequence[Judged]], engine: str, task: str, threshold: float) -> Table:
    """One line a setting and species; bona fide of the same source where the table names sources."""
    lines = []
    for setting, judged in runs.items():
        for name in sorted({one.row.species for one in judged if one.row.attack}):
            attacks = [one for one in judged if one.row.species == name]
            against, whose = _against(judged, {one.row.source for one in attacks})
            scored = Scored.by_engine([*against, *attacks], engine)
            lines.append(
                (
                    str(setting),
                    name,
                    f"{len(attacks)} of {len({one.row.group for one in attacks})}",
                    abstained(scored, attack=True),
                    rate(apcer(scored.attacks, threshold)),
                    auc_words(scored),
                    f"{len(against)} {whose}",
                )
            )
    columns = ("setting", "species", "n of groups", "abstained", "APCER", "AUC", "against bona fide")
    return Table(f"{engine}, family {task}: by species", columns, tuple(lines), names=2)


def _against(judged: Sequence[Judged], sources: set[str]) -> tuple[list[Judged], str]:
    bona_fide = [one for one in judged if not one.row.attack]
    same = [one for one in bona_fide if one.row.source in sources]
    groups = len({one.row.group for one in same})
    return (same, "of the same source") if groups >= ENOUGH_PEOPLE else (bona_fide, "of all sources")


def splits(judged: Sequence[Judged], engine: str, threshold: float) -> Iterator[Table]:
    """BPCER and abstention of the bona fide by skin and by light; and that glasses are not measured."""
    live = [one for one in judged if not one.row.attack]
    measures: tuple[tuple[str, Bins, Callable[[Judged], float | None]], ...] = (
        ("measured skin luminance", SKIN, lambda one: one.ita),
        ("light on the face", LIGHT, lambda one: one.luma),
    )
    for what, bins, measure in measures:
        parts = parted(live, bins, measure)
        yield _split(f"{engine}: bona fide by {what}", parts, engine, threshold)
    told = (("glasses", NONE, NONE, "not measured: the table names none, and nothing here sees them", NONE),)
    yield Table(f"{engine}: bona fide by glasses", COLUMNS, told)


COLUMNS = ("part", "n", "people judged", "BPCER", "abstained")


def parted(
    judged: Sequence[Judged], bins: Bins, measure: Callable[[Judged], float | None]
) -> dict[str, list[Judged]]:
    """Pictures by the bin of what is measured on them, in the order of the bins; then the unmeasured."""
    parts: dict[str, list[Judged]] = {name: [] for name, _ in bins}
    parts["not measured"] = []
    for one in judged:
        value = measure(one)
        found = (name for name, low in bins if value is not None and value >= low)
        parts[next(found, "not measured")].append(one)
    return parts


def _split(title: str, parts: Mapping[str, Sequence[Judged]], engine: str, threshold: float) -> Table:
    lines, errors, silences = [], {}, {}
    for name, judged in parts.items():
        scored = Scored.by_engine(judged, engine)
        people = scored.where(scored.judged).groups
        enough = people >= ENOUGH_PEOPLE
        error, silent = bpcer(scored.bona_fide, threshold), scored.abstained(attack=False)
        words = (rate(error), rate(silent)) if enough else ("not enough people",) * 2
        lines.append((name, str(len(judged)), str(people), *words))
        if enough and name != "not measured":
            errors[name], silences[name] = error, silent
    notes = (*gaps("BPCER", errors), *gaps("abstention", silences))
    return Table(title, COLUMNS, tuple(lines), notes or ("too few parts with enough people to compare",))


def gaps(what: str, rates: Mapping[str, Rate]) -> Iterator[str]:
    """A sentence on the largest gap between parts; whether it is beyond chance by their intervals."""
    counted = {name: one for name, one in rates.items() if one.count}
    if len(counted) < 2:  # noqa: PLR2004 -- a gap lies between two
        return
    worst = max(counted, key=lambda name: _smoothed(counted[name]))
    best = min(counted, key=lambda name: _smoothed(counted[name]))
    factor = _smoothed(counted[worst]) / _smoothed(counted[best])
    if factor <= GAP:
        yield f"{what}: no gap over {GAP:g}x between the parts ({factor:.1f}x at most)"
        return
    apart = counted[worst].interval[0] > counted[best].interval[1]
    beyond = "their intervals do not overlap" if apart else "their intervals overlap"
    yield f"GAP, {what}: {worst} {factor:.1f}x that of {best}; {beyond}"


def _smoothed(one: Rate) -> float:
    """A rate that is never 0, so that ratios are told (Jeffreys)."""
    return (one.hits + 0.5) / (one.count + 1)


def abstained(scored: Scored, *, attack: bool) -> str:
    """Share of one class that was not judged."""
    value = scored.abstained(attack=attack).value
    return NONE if value is None else f"{value:.0%}"


def auc_words(scored: Scored) -> str:
    """AUC of those judged, with its interval."""
    value = scored.auc()
    found = scored.interval()
    if value is None:
        return NONE
    return f"{value:.3f} ({found[0]:.2f}-{found[1]:.2f})" if found else f"{value:.3f} (no interval)"


def rate(one: Rate) -> str:
    """A rate, its interval and its count."""
    if one.value is None:
        return NONE
    low, high = one.interval
    return f"{one.value:.1%} ({100 * low:.0f}-{high:.0%}) of {one.count}"


def number(value: float | None) -> str:
    """Three digits, or that there is none."""
    return NONE if value is None or not np.isfinite(value) else f"{value:.3f}"
