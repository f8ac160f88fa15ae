"""Windows of five seconds over made calls: how simulated attacks and bona fide clips are told apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.judging.clips import CUES, Call, Moment, Watched, watch
from bench.judging.figures import apcer, threshold_at
from bench.judging.running import over_processes, told
from bench.judging.summary import Scored, rounded
from bench.judging.tables import NONE, Table, abstained, auc_words, rate
from guard.config import Settings
from guard.core.errors import MediaError
from guard.core.types import Family
from guard.core.units import Seconds
from guard.simulate.testing.species import EXTENSION, FACE_SWAP, SPECIES, Needs, Species

WINDOW_S: Seconds = 5.0
STEP_S: Seconds = 1.0
SETTLED_S: Seconds = 1.0
"""The first second of a run is left out: trackers and codecs begin in it."""

LEAST_SPOKEN = 0.5
"""A window in which fewer of the frames were judged is an abstention."""

ATTACKED, ALLOWED_BPCER = 0.8, 0.05
"""A window is an attack where it shows in at least this share of the frames, bona fide where in none."""

SWITCH = 1 / 3
"""Share of a run after which a face swap is switched on: bona fide until then."""

FEW = 1
"""Clips of each species where not everything is asked for; bona fide calls and the face swap get all."""

WATCHED_FAMILIES = tuple(CUES)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    folder: Path
    engines_dir: Path | None
    seconds: Seconds
    seed: int
    everything: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Five seconds of a call."""

    clip: str
    species: str
    """The variant of the run, whether or not it shows in this window."""
    begin: Seconds
    attack: bool
    learned: Mapping[Family, float | None]
    """Mean P(attack) of the engines; None where too few frames were judged."""
    fused: Mapping[Family, float]


def run(plan: Plan, jobs: int) -> tuple[dict[str, Any], list[Table]]:
    """Judge the clips of a folder; the last line's keys, and tables."""
    planned = list(plans(plan))
    if jobs > 1:
        watched = list(over_processes(watch, planned, jobs, chunk=1))
    else:
        watched = list(told(map(watch, planned), len(planned)))
    windows = [window for one in watched for window in windows_of(one)]
    return _figures(plan, watched, windows), list(_tables(watched, windows))


def plans(plan: Plan) -> Iterator[Call]:
    """Every run: each bona fide species and each attack with a learned engine against it, over the clips."""
    clips = sorted(plan.folder.glob("*.mp4"))
    if not clips:
        msg = f"{plan.folder}: expected clips (*.mp4), found none; check --calls"
        raise MediaError(msg)
    wanted = [one for one in SPECIES.values() if one.family is None or one.family in CUES]
    thorough = (EXTENSION, FACE_SWAP)
    for species in wanted:
        most = len(clips) if plan.everything or species in thorough else FEW
        start = wanted.index(species)  # so that the few are not always the same ones
        for number in range(min(most, len(clips))):
            place = (start + number) % len(clips)
            yield Call(
                clips[place],
                clips[(place + 1) % len(clips)],
                species,
                plan.seconds,
                _attack_at(species, plan.seconds),
                plan.seed + place,
                plan.engines_dir,
            )


def _attack_at(species: Species, seconds: Seconds) -> Seconds | None:
    """Swaps are switched on in the call; what is held to the camera is there from the beginning."""
    return SWITCH * seconds if species.needs is Needs.CLIP_AND_OTHER else None


def windows_of(watched: Watched) -> Iterator[Window]:
    """Windows that are wholly one thing; those about a switch are neither and left out."""
    moments = watched.moments
    if not moments:
        return
    begin, end = SETTLED_S, moments[-1].at
    while begin + WINDOW_S <= end + 1 / 8:
        inside = [one for one in moments if begin <= one.at < begin + WINDOW_S]
        shown = float(np.mean([one.attack for one in inside])) if inside else 0.5
        if shown == 0.0 or shown >= ATTACKED:
            learned = {family: _mean(inside, family) for family in CUES}
            fused = {family: float(np.mean([one.fused[family] for one in inside])) for family in CUES}
            call = watched.call
            yield Window(call.clip.stem, call.species.name, begin, shown > 0, learned, fused)
        begin += STEP_S


def _mean(moments: Sequence[Moment], family: Family) -> float | None:
    spoken = [value for one in moments if (value := one.learned[family]) is not None]
    return float(np.mean(spoken)) if len(spoken) >= LEAST_SPOKEN * len(moments) else None


def scored(windows: Sequence[Window], family: Family, *, fused: bool = False) -> Scored:
    """Windows as any other presentations; people are clips."""
    values = [one.fused[family] if fused else one.learned[family] for one in windows]
    return Scored(
        np.array([0.5 if value is None else value for value in values], np.float64),
        np.array([value is not None for value in values], bool),
        np.array([one.attack for one in windows], bool),
        np.array([one.clip for one in windows], str),
        np.array([one.species if one.attack else "" for one in windows], str),
    )


def _plain(windows: Sequence[Window]) -> list[Window]:
    """Bona fide windows of people as they are: before a switch, and in runs without any change."""
    return [one for one in windows if not one.attack and not _is_altered(one.species)]


def _is_altered(species: str) -> bool:
    """Whether a bona fide species changes the picture: a filter, another background."""
    return SPECIES[species].family is None and species != EXTENSION.name


def _attacks(windows: Sequence[Window], family: Family) -> list[Window]:
    return [one for one in windows if one.attack and SPECIES[one.species].family is family]


def _figures(plan: Plan, watched: Sequence[Watched], windows: Sequence[Window]) -> dict[str, Any]:
    plain = _plain(windows)
    raise_at = Settings().decision.raise_at
    made: dict[str, Any] = {
        "clips": len({one.clip for one in plain}),
        "seconds": plan.seconds,
        "windows_bona_fide": len(plain),
    }
    for family in WATCHED_FAMILIES:
        both = scored([*plain, *_attacks(windows, family)], family)
        low, high = both.interval() or (None, None)
        at = threshold_at(both.bona_fide, ALLOWED_BPCER)
        made[f"{family}_simulated"] = {
            "window_auc": rounded(both.auc()),
            "window_auc_lo": rounded(low),
            "window_auc_hi": rounded(high),
            "window_apcer_at_bpcer5": {
                name: rounded(apcer(part.attacks, at).value) for name, part in both.by_species().items()
            },
            "bona_fide_highest_window": rounded(float(both.bona_fide.max())) if both.bona_fide.size else None,
            "bona_fide_windows_over_raise": int((both.bona_fide >= raise_at).sum()),
            "abstained_bona_fide": both.abstained(attack=False).hits,
            "abstained_attack": both.abstained(attack=True).hits,
        }
    made["raise_at"] = raise_at
    made["bona_fide_raises"] = sum(
        family in CUES for one in watched if one.call.species.family is None for family, _ in one.raised
    )
    made["not_made"] = [f"{one.call.clip.stem} {one.call.species.name}" for one in watched if one.trouble]
    return made


def _tables(watched: Sequence[Watched], windows: Sequence[Window]) -> Iterator[Table]:
    for family in WATCHED_FAMILIES:
        yield _attack_table(watched, windows, family)
    yield _bona_fide_table(watched, windows)


def _attack_table(watched: Sequence[Watched], windows: Sequence[Window], family: Family) -> Table:
    plain, attacks = _plain(windows), _attacks(windows, family)
    both = scored([*plain, *attacks], family)
    at = threshold_at(both.bona_fide, ALLOWED_BPCER)
    fused = scored([*plain, *attacks], family, fused=True)
    fused_at = threshold_at(fused.bona_fide, ALLOWED_BPCER)
    with_fusion = fused.by_species()
    lines = []
    for name, part in both.by_species().items():
        other = with_fusion[name]
        runs = [one for one in watched if one.call.species.name == name and not one.trouble]
        raised = sum(any(kind is family for kind, _ in one.raised) for one in runs)
        lines.append(
            (
                name,
                f"{int(part.attack.sum())} of {len(runs)}",
                abstained(part, attack=True),
                auc_words(part),
                rate(apcer(part.attacks, at)),
                auc_words(other),
                rate(apcer(other.attacks, fused_at)),
                f"{raised} of {len(runs)}",
            )
        )
    columns = (
        "variant",
        "windows of clips",
        "abstained",
        "engine: AUC",
        "engine: APCER at BPCER 5 %",
        "all cues: AUC",
        "all cues: APCER at BPCER 5 %",
        "raised",
    )
    notes = (
        f"windows of {WINDOW_S:g} s; {len(plain)} bona fide ones of {len({one.clip for one in plain})} clips",
        f"threshold for BPCER 5 %: {at:.3f} (engine), {fused_at:.3f} (all cues)",
        *(f"not made: {one.trouble}" for one in watched if one.trouble and one.call.species.family is family),
    )
    return Table(f"SIMULATED {family} attacks, test variants", columns, tuple(lines), notes)


def _bona_fide_table(watched: Sequence[Watched], windows: Sequence[Window]) -> Table:
    raise_at = Settings().decision.raise_at
    lines = []
    live = [one for one in watched if one.call.species.family is None and not one.trouble]
    for one in sorted(live, key=lambda one: (one.call.species.name, one.call.clip.stem)):
        name, clip = one.call.species.name, one.call.clip.stem
        own = [window for window in windows if (window.species, window.clip) == (name, clip)]
        lines.append((name, clip, str(len(own)), *_highest(own, raise_at), _raised(one)))
    heads = tuple(f"{family}: {what}" for family in WATCHED_FAMILIES for what in ("engine", "all cues"))
    notes = (
        f"highest window of {WINDOW_S:g} s; ! marks those at or above the raise threshold {raise_at}",
        "rates are of clips, so of few people: they bound no false-alert rate",
    )
    columns = ("bona fide variant", "clip", "windows", *heads, "raised")
    return Table("bona fide calls, clips extended", columns, tuple(lines), notes)


def _highest(windows: Sequence[Window], raise_at: float) -> Iterator[str]:
    for family in WATCHED_FAMILIES:
        for fused in (False, True):
            part = scored(windows, family, fused=fused)
            top = float(part.bona_fide.max()) if part.bona_fide.size else None
            mark = " !" if top is not None and top >= raise_at else ""
            yield f"{top:.2f}{mark}" if top is not None else NONE


def _raised(one: Watched) -> str:
    return ", ".join(f"{family} at {at:.0f} s" for family, at in one.raised) or "nothing"
