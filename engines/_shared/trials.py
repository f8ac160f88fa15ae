"""Held-out pictures, scored: the trust that they warrant and a line of figures for each set."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from _shared import figures, trust
from _shared.corpus import Picture, cut
from guard.core.geometry import Box
from guard.faces.pictures import as_frame, face_luma, laplacian_variance
from guard.faces.quality import SHARPNESS_SIZE, at_one_exposure

Pictures = NDArray[np.uint8]
"""uint8 (n, size, size, 3), RGB."""

NUDGE = 0.96
"""Side of the tighter crop, over the plain one's, that shows how steady a score is."""

SMALLEST_PX = 24.0
"""Faces are graded from here on: far smaller than any that a call is judged by."""

Judge = Callable[[Pictures], figures.Scores]
"""Logits (n,) of pictures: ``partial(fitting.logits, net)``, or ``artefact.judge(file)``."""

Draw = Callable[[float, np.random.Generator], tuple[Picture, bool, str]]
"""A crop as the net sees it of a face of so many px in its call; whether it is an attack; its person."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Bona fide and attack crops of unseen people, as the net sees them."""

    name: str
    bona_fide: Pictures
    attack: Pictures


@dataclass(frozen=True, slots=True)
class CallTrial:
    """Crops of bona fide clips and of the same clips attacked, coded as in a call; the clip of each crop."""

    name: str
    face_px: float
    bona_fide: Pictures
    bona_fide_clips: list[str]
    attack: Pictures
    attack_clips: list[str]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Crops of unseen people through calls of all kinds; one row each in every array."""

    pictures: Pictures
    attack: NDArray[np.bool_]
    size_px: figures.Scores
    """Longer side of the landmarks' box in the call."""
    group: NDArray[np.str_]


def graded(count: int, largest_px: float, seed: int, draw: Draw) -> HeldOut:
    """``count`` crops that ``draw`` makes, faces from 24 px to ``largest_px``, evenly on a log scale."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(np.log(SMALLEST_PX), np.log(largest_px), count))
    pictures, attack, group = zip(*(draw(float(size), rng) for size in sizes), strict=True)
    return HeldOut(np.stack(pictures), np.array(attack), sizes, np.array(group))


def framed_px(face_px: float, scale: float) -> int:
    """The even side of a crop of ``scale`` about a face of ``face_px``."""
    return max(20, 2 * round(face_px * scale / 2))


def report(
    judge: Judge, held_out: HeldOut, trials: Sequence[Trial], in_calls: Sequence[CallTrial], scale: float
) -> tuple[trust.Trust, list[str]]:
    """What to write in [calibration], learned from ``held_out`` and every second clip; and all figures.

    ``scale`` is that of the crops, as the manifest states it.
    """
    found = trust.fit(records(judge, [held_out, *(_second_clips(trial) for trial in in_calls)], scale))
    by = found.calibration
    lines = [f"calibration: slope {by.slope:.4f} bias {by.bias:.4f}", *found.told]
    lines += summaries(judge, trials, by)
    lines += [_clip_line(trial, judge(trial.bona_fide), judge(trial.attack), by) for trial in in_calls]
    return found, lines


def summaries(judge: Judge, trials: Sequence[Trial], by: figures.Calibration | None = None) -> list[str]:
    """A line of figures for each set."""
    by = by or figures.Calibration()
    return [figures.summary(t.name, judge(t.bona_fide), judge(t.attack), by) for t in trials]


def records(judge: Judge, sets: Iterable[HeldOut], scale: float) -> trust.Records:
    """What the net says of held-out crops of ``scale``, plain and cut tighter, and how good they are."""
    parts = list(sets)
    pictures = np.concatenate([part.pictures for part in parts])
    sharpness, luma = np.array([measured(picture, scale) for picture in pictures]).reshape(-1, 2).T
    size_px = np.concatenate([part.size_px for part in parts])
    return trust.Records(
        logit=judge(pictures),
        attack=np.concatenate([part.attack for part in parts]),
        group=np.concatenate([part.group for part in parts]),
        measured={"size_px": size_px, "sharpness": sharpness, "luma": luma},
        nudged=judge(np.stack([nudged(picture) for picture in pictures])),
    )


def measured(picture: Picture, scale: float) -> tuple[float, float]:
    """Sharpness and luma of the face in the middle of a crop of ``scale``, measured as in a call."""
    side = picture.shape[0]
    luma = face_luma(as_frame(picture), Box(0, 0, side, side).square(1 / max(scale, 1.0)), SHARPNESS_SIZE)
    light = float(luma.mean())
    return at_one_exposure(laplacian_variance(luma), light), light


def nudged(picture: Picture) -> Picture:
    """The same face cut a little tighter."""
    side = picture.shape[0]
    return cut(picture, Box(0, 0, side, side).square(NUDGE), side)


def _second_clips(trial: CallTrial) -> HeldOut:
    """Every second clip, in the order of the manifest: what the calibration may see."""
    seen = {name for index, name in enumerate(dict.fromkeys(trial.bona_fide_clips)) if index % 2 == 0}
    sides = ((trial.bona_fide, trial.bona_fide_clips, False), (trial.attack, trial.attack_clips, True))
    rows = [(p, attack, name) for ps, names, attack in sides for p, name in zip(ps, names, strict=True)]
    chosen = [row for row in rows if row[2] in seen]
    pictures, attack, group = zip(*chosen, strict=True)
    return HeldOut(np.stack(pictures), np.array(attack), np.full(len(chosen), trial.face_px), np.array(group))


def _clip_line(
    trial: CallTrial, bona_fide: figures.Scores, attack: figures.Scores, by: figures.Calibration
) -> str:
    """Means of the clips."""
    plain = figures.clip_means(bona_fide, trial.bona_fide_clips, by)
    attacked = figures.clip_means(attack, trial.attack_clips, by)
    return (
        f"calls at {trial.name}: highest bona fide clip {max(plain.values()):.3f},"
        f" lowest attacked clip {min(attacked.values()):.3f},"
        f" frame AUC {figures.auc(bona_fide, attack):.3f}; bona fide/attacked "
        + " ".join(f"{name}={plain[name]:.2f}/{attacked[name]:.2f}" for name in plain)
    )
