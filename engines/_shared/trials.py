"""Held-out pictures, scored: the trust that they warrant and a line of figures for each set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from _shared import figures, shortcuts, trust
from _shared.corpus import Picture
from guard.core.geometry import Box
from guard.faces.pictures import as_frame, cut_square, face_luma, laplacian_variance
from guard.faces.quality import SHARPNESS_SIZE, at_one_exposure

if TYPE_CHECKING:
    from _shared.artefact import Card

Pictures = NDArray[np.uint8]
"""uint8 (n, size, size, 3), RGB."""

SMALLEST_PX = 24.0
"""Faces are graded from here on: far smaller than any that a call is judged by."""

KIND = (
    "of unseen people; APCER and BPCER at P >= 0.5 by this slope and bias, which other crops of the same"
    " people gave, so a little kind; AUC and EER do without"
)
"""What the figures of the sets rest on, to be printed above them."""

Judge = Callable[[Pictures], figures.Scores]
"""Logits (n,) of pictures: ``partial(fitting.logits, net)``, or ``artefact.judge(file)``."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A crop of an unseen person as it comes out of a call, square and at the size that it has there."""

    crop: Picture
    face: Box
    """Around the landmarks, px of the crop."""
    attack: bool
    group: str
    """The person."""


Draw = Callable[[float, np.random.Generator], Drawn]
"""One with a face of about so many px in its call."""


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


def graded(count: int, largest_px: float, seed: int, draw: Draw) -> list[Drawn]:
    """``count`` crops that ``draw`` makes, faces from 24 px to ``largest_px``, evenly on a log scale."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(np.log(SMALLEST_PX), np.log(largest_px), count))
    return [draw(float(size), rng) for size in sizes]


def framed_px(face_px: float, scale: float) -> int:
    """The even side of a crop of ``scale`` about a face of ``face_px``."""
    return max(20, 2 * round(face_px * scale / 2))


def report(
    judge: Judge,
    held_out: Sequence[Drawn],
    trials: Sequence[Trial],
    in_calls: Sequence[CallTrial],
    card: "Card",
) -> tuple[trust.Trust, list[str]]:
    """What to write in [calibration], learned from ``held_out`` alone, no clip; and all figures."""
    found = trust.fit(records(judge, held_out, card))
    by = found.calibration
    lines = [f"calibration: slope {by.slope:.4f} bias {by.bias:.4f}", *found.told, KIND]
    lines += summaries(judge, trials, by)
    lines += [_clip_line(trial, judge(trial.bona_fide), judge(trial.attack), by) for trial in in_calls]
    return found, lines


def summaries(judge: Judge, trials: Sequence[Trial], by: figures.Calibration | None = None) -> list[str]:
    """A line of figures for each set."""
    by = by or figures.Calibration()
    return [figures.summary(t.name, judge(t.bona_fide), judge(t.attack), by) for t in trials]


def baseline(trials: Sequence[Trial]) -> list[str]:
    """What a net must do better than: simple measures of the crops alone; a line a set."""
    return [
        f"simple measures on {t.name}: AUC {_alone(t):.3f}, a reading fitted on other crops of the set"
        for t in trials
    ]


def _alone(trial: Trial) -> float:
    """``figures.fold_auc``; what stands in one place of both sides lies in one fold: it may be one person.

    A fold without both classes beside it, to fit on, does not count.
    """
    sides = trial.bona_fide, trial.attack
    rows = np.stack([shortcuts.measured(crop) for side in sides for crop in side])
    attack = np.repeat([False, True], [len(side) for side in sides])
    places = [str(place) for side in sides for place in range(len(side))]
    logits, folds = shortcuts.cross_fitted(rows, attack, places)
    known = np.isfinite(logits)
    return figures.fold_auc(logits[known], attack[known], folds[known])


def records(judge: Judge, held_out: Sequence[Drawn], card: "Card") -> trust.Records:
    """What the net says of held-out crops, plain and cut tighter, and how good they are."""
    columns = np.array([measured(one) for one in held_out]).T
    return trust.Records(
        logit=judge(np.stack([seen(one.crop, card.size) for one in held_out])),
        attack=np.array([one.attack for one in held_out]),
        group=np.array([one.group for one in held_out]),
        measured=dict(zip(trust.MEASURES, columns, strict=True)),
        nudged=judge(np.stack([seen(one.crop, card.size, trust.NUDGE) for one in held_out])),
    )


def measured(drawn: Drawn) -> tuple[float, float, float]:
    """Size, sharpness and luma of the face (``trust.MEASURES``), measured as in a call."""
    luma = face_luma(as_frame(drawn.crop), drawn.face, SHARPNESS_SIZE)
    light = float(luma.mean())
    return drawn.face.size, at_one_exposure(laplacian_variance(luma), light), light


def seen(crop: Picture, size: int, zoom: float = 1.0) -> Picture:
    """A crop, or its middle, as the product cuts it from a frame for a net of this input size."""
    return cut_square(as_frame(crop), Box(0, 0, *crop.shape[:2]).square(zoom), size)


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
