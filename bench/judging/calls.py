"""Windows of five seconds over made calls: how simulated attacks and bona fide clips are told apart."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.judging.clips import CUES, Call, Moment, Watched, require_face, watch
from bench.judging.figures import Rate, apcer, threshold_at
from bench.judging.running import over_processes, told
from bench.judging.summary import Scored, rounded
from bench.judging.tables import NONE, Table, abstained, auc_words, number, rate
from guard.config import AnalysisSettings, Settings
from guard.core.errors import MediaError
from guard.core.types import Family
from guard.core.units import Seconds
from guard.simulate.testing.species import EXTENSION, FACE_SWAP, MID_CALL_SWITCH, SPECIES, Needs, Species
from guard.simulate.training.split import is_held_out, is_learned_from

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

LEAST_CLIPS = 2
"""A face swap puts the face of the next clip on: with one clip it would be the person's own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    folder: Path
    analysis: AnalysisSettings
    seconds: Seconds
    seed: int
    everything: bool = False
    held_out: bool = False
    """Only clips that no recipe learns from."""


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
    found = clips_of(plan)
    clips = with_faces(found)
    planned = list(plans(plan, clips))
    if jobs > 1:
        watched = list(over_processes(watch, planned, jobs, chunk=1))
    else:
        watched = list(told(map(watch, planned), len(planned)))
    windows = [window for one in watched for window in windows_of(one)]
    left_out = [clip.name for clip in found if clip not in clips]
    return figures(plan.seconds, watched, windows, left_out), list(_tables(watched, windows))


def clips_of(plan: Plan) -> list[Path]:
    """The clips of the folder that are asked for; raise MediaError where there are too few."""
    found = sorted(plan.folder.glob("*.mp4"))
    clips = [one for one in found if not plan.held_out or is_held_out(one.stem)]
    kind = "clips (*.mp4) that no recipe learns from" if plan.held_out else "clips (*.mp4)"
    _require_enough(clips, f"{plan.folder}: expected {LEAST_CLIPS} {kind} or more")
    return clips


def with_faces(clips: Sequence[Path]) -> list[Path]:
    """Those with a face, the others named on stderr; raise MediaError where too few are left.

    Known before anything is planned: a clip's face is also put on the person of the clip before it.
    """
    kept = []
    for clip in clips:
        try:
            require_face(clip)
        except MediaError as error:
            sys.stderr.write(f"left out: {error}\n")
        else:
            kept.append(clip)
    _require_enough(kept, f"{clips[0].parent}: expected a face in {LEAST_CLIPS} clips or more")
    return kept


def _require_enough(clips: Sequence[Path], expected: str) -> None:
    if len(clips) < LEAST_CLIPS:
        msg = f"{expected}, found {len(clips)}; check --calls"
        raise MediaError(msg)


def plans(plan: Plan, clips: Sequence[Path]) -> Iterator[Call]:
    """Every run: each bona fide species and each attack with a learned engine against it, over the clips.

    A switch in the call is left out: the face swap is switched on already. Ordered by clip, since a person is
    kept once read.
    """
    return iter(sorted(_plans(plan, clips), key=lambda call: call.clip))


def _plans(plan: Plan, clips: Sequence[Path]) -> Iterator[Call]:
    wanted = [
        one
        for one in SPECIES.values()
        if one is not MID_CALL_SWITCH and (one.family is None or one.family in CUES)
    ]
    thorough = (EXTENSION, FACE_SWAP)
    for species in wanted:
        most = len(clips) if plan.everything or species in thorough else FEW
        start = wanted.index(species)  # so that the few are not always the same ones
        for turn in range(min(most, len(clips))):
            place = (start + turn) % len(clips)
            yield Call(
                clips[place],
                clips[(place + 1) % len(clips)],
                species,
                plan.seconds,
                _attack_at(species, plan.seconds),
                plan.seed + place,
                plan.analysis,
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
        np.zeros(len(windows), np.intp),
    )


def _plain(windows: Sequence[Window]) -> list[Window]:
    """Bona fide windows of people as they are: before a switch, and in runs without any change."""
    return [one for one in windows if not one.attack and not _is_altered(one.species)]


def _is_altered(species: str) -> bool:
    """Whether a bona fide species changes the picture: a filter, another background."""
    return SPECIES[species].family is None and species != EXTENSION.name


def _attacks(windows: Sequence[Window], family: Family) -> list[Window]:
    return [one for one in windows if one.attack and SPECIES[one.species].family is family]


def figures(
    seconds: Seconds, watched: Sequence[Watched], windows: Sequence[Window], left_out: list[str]
) -> dict[str, Any]:
    """The keys of the last line; ``left_out`` names the clips without a face."""
    plain = _plain(windows)
    raise_at = Settings().decision.raise_at
    made: dict[str, Any] = {
        "clips": len({one.clip for one in plain}),
        "seconds": seconds,
        "windows_bona_fide": len(plain),
    }
    for family in WATCHED_FAMILIES:
        judged = [*plain, *_attacks(windows, family)]
        both, fused = scored(judged, family), scored(judged, family, fused=True)
        low, high = both.interval() or (None, None)
        made[f"{family}_simulated"] = {
            "window_auc": rounded(both.auc()),
            "window_auc_lo": rounded(low),
            "window_auc_hi": rounded(high),
            "window_apcer_at_bpcer5": _missed_by_species(both),
            "window_auc_all_cues": rounded(fused.auc()),
            "window_apcer_all_cues_at_bpcer5": _missed_by_species(fused),
            "raised": {
                name: [sum(one.is_detected(family) for one in runs), len(runs)]
                for name in both.by_species()
                if (runs := _runs(watched, name))
            },
            "clips_learned_from": sorted({one.clip for one in plain if is_learned_from(family, one.clip)}),
            "bona_fide_highest_window": rounded(float(both.bona_fide.max())) if both.bona_fide.size else None,
            "bona_fide_windows_over_raise": int((both.bona_fide >= raise_at).sum()),
            "abstained_bona_fide": both.abstained(attack=False).hits,
            "abstained_attack": both.abstained(attack=True).hits,
        }
    made["raise_at"] = raise_at
    made["bona_fide_raises"] = sum(len(one.wrongly_raised()) for one in watched)
    made["not_made"] = [f"{one.call.clip.stem} {one.call.species.name}" for one in watched if one.trouble]
    made["left_out"] = left_out
    return made


def _missed_by_species(both: Scored) -> dict[str, float | None]:
    """APCER of each species at the threshold for the BPCER that is allowed."""
    at = _threshold(both)
    return {name: rounded(_missed(part, at).value) for name, part in both.by_species().items()}


def _runs(watched: Sequence[Watched], species: str) -> list[Watched]:
    """The runs of a species that could be made."""
    return [one for one in watched if one.call.species.name == species and not one.trouble]


def _threshold(scored: Scored) -> float | None:
    """For the BPCER that is allowed; None without a bona fide window to find it on."""
    return threshold_at(scored.bona_fide, ALLOWED_BPCER) if scored.bona_fide.size else None


def _missed(scored: Scored, at: float | None) -> Rate:
    """APCER at a threshold; of nothing where there is none."""
    return Rate(0, 0) if at is None else apcer(scored.attacks, at)


def _tables(watched: Sequence[Watched], windows: Sequence[Window]) -> Iterator[Table]:
    for family in WATCHED_FAMILIES:
        yield _attack_table(watched, windows, family)
    yield bona_fide_table(watched, windows)


def _attack_table(watched: Sequence[Watched], windows: Sequence[Window], family: Family) -> Table:
    plain, attacks = _plain(windows), _attacks(windows, family)
    both = scored([*plain, *attacks], family)
    fused = scored([*plain, *attacks], family, fused=True)
    at, fused_at = _threshold(both), _threshold(fused)
    with_fusion = fused.by_species()
    lines = []
    for name, part in both.by_species().items():
        other = with_fusion[name]
        runs = _runs(watched, name)
        raised = sum(one.is_detected(family) for one in runs)
        lines.append(
            (
                _short(name),
                f"{int(part.attack.sum())} of {len(runs)}",
                abstained(part, attack=True),
                auc_words(part),
                rate(_missed(part, at)),
                auc_words(other),
                rate(_missed(other, fused_at)),
                f"{raised} of {len(runs)}",
            )
        )
    columns = (
        "variant",
        "windows of runs",
        "abstained",
        "engine: AUC",
        "engine: APCER",
        "all cues: AUC",
        "all cues: APCER",
        "raised",
    )
    learned = sorted({one.clip for one in (*plain, *attacks) if is_learned_from(family, one.clip)})
    notes = (
        f"windows of {WINDOW_S:g} s; {len(plain)} bona fide ones of {len({one.clip for one in plain})} clips",
        f"APCER at the thresholds for BPCER 5 %: {number(at)} (engine), {number(fused_at)} (all cues)",
        "raised: runs in which an alert rose once the attack showed",
        f"clips that the engine learned from: {', '.join(learned) or 'none'}; it is calibrated on no clip",
        *dict.fromkeys(
            f"not made: {one.trouble}" for one in watched if one.trouble and one.call.species.family is family
        ),
    )
    return Table(f"SIMULATED {family} attacks, test variants", columns, tuple(lines), notes)


def bona_fide_table(watched: Sequence[Watched], windows: Sequence[Window]) -> Table:
    """A line for each bona fide run: its highest windows, and what rose."""
    raise_at = Settings().decision.raise_at
    lines = []
    live = [one for one in watched if one.call.species.family is None and not one.trouble]
    for one in sorted(live, key=lambda one: (one.call.species.name, one.call.clip.stem)):
        name, clip = one.call.species.name, one.call.clip.stem
        own = [window for window in windows if (window.species, window.clip) == (name, clip)]
        learned = ", ".join(family for family in WATCHED_FAMILIES if is_learned_from(family, clip))
        told = (learned or "no", str(len(own)), *_highest(own, raise_at), _raised(one))
        lines.append((_short(name), clip, *told))
    notes = (
        f"highest window of {WINDOW_S:g} s: engine / all cues; ! at or above the raise threshold {raise_at}",
        "rates are of clips, so of few people: they bound no false-alert rate",
        "learned from: families whose engine saw this very clip in training; none is calibrated on a clip",
        *(
            f"before the attack of {one.call.species.name} on {one.call.clip.stem}: {family} at {at:.0f} s"
            for one in watched
            if one.call.species.family is not None
            for family, at in one.wrongly_raised()
        ),
    )
    columns = ("bona fide variant", "clip", "learned from", "windows", *WATCHED_FAMILIES, "raised")
    return Table("bona fide calls, clips extended", columns, tuple(lines), notes, names=2)


def _short(name: str) -> str:
    """A species without ``:test``: the titles say that all are test variants."""
    return name.removesuffix(":test")


def _highest(windows: Sequence[Window], raise_at: float) -> Iterator[str]:
    """For each family, by its engine / by all cues."""
    for family in WATCHED_FAMILIES:
        tops = (scored(windows, family, fused=fused).bona_fide for fused in (False, True))
        yield " / ".join(_marked(float(top.max()), raise_at) if top.size else NONE for top in tops)


def _marked(probability: float, raise_at: float) -> str:
    return f"{probability:.2f}" + (" !" if probability >= raise_at else "")


def _raised(one: Watched) -> str:
    return ", ".join(f"{family} at {at:.0f} s" for family, at in one.raised) or "nothing"
