"""Held-out sets, scored: a calibration from some of them and a line of figures for each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from _shared import figures
from _shared.fitting import Pictures, logits


@dataclass(frozen=True, slots=True)
class Trial:
    """Bona fide and attack crops of unseen people, as the net sees them."""

    name: str
    bona_fide: Pictures
    attack: Pictures
    calibrates: bool = False


@dataclass(frozen=True, slots=True)
class CallTrial:
    """Crops of bona fide clips and of the same clips attacked, coded as in a call; the clip of each crop."""

    name: str
    bona_fide: Pictures
    bona_fide_clips: list[str]
    attack: Pictures
    attack_clips: list[str]


def report(
    net: nn.Module, trials: Sequence[Trial], in_calls: Sequence[CallTrial]
) -> tuple[figures.Calibration, list[str]]:
    """Calibrate on the trials meant for it and on every second clip; say the figures of everything."""
    scored = [(trial, logits(net, trial.bona_fide), logits(net, trial.attack)) for trial in trials]
    clips = [(trial, logits(net, trial.bona_fide), logits(net, trial.attack)) for trial in in_calls]
    fitted = [(bona_fide, attack) for trial, bona_fide, attack in scored if trial.calibrates]
    fitted += [(b[every_second(t.bona_fide_clips)], a[every_second(t.attack_clips)]) for t, b, a in clips]
    calibration = figures.calibrate(*(np.concatenate(side) for side in zip(*fitted, strict=True)))
    lines = [f"calibration: slope {calibration.slope:.4f} bias {calibration.bias:.4f}"]
    lines += [figures.summary(trial.name, b, a, calibration) for trial, b, a in scored]
    lines += [_clip_line(trial, b, a, calibration) for trial, b, a in clips]
    return calibration, lines


def every_second(clips: Sequence[str]) -> NDArray[np.bool_]:
    """Crops of every second clip, in the order of the manifest: what the calibration may see."""
    order = {name: index for index, name in enumerate(dict.fromkeys(clips))}
    return np.array([order[name] % 2 == 0 for name in clips])


def _clip_line(
    trial: CallTrial, bona_fide: figures.Scores, attack: figures.Scores, by: figures.Calibration
) -> str:
    """Means of the clips; the gifs are dithered and stand in the list only."""
    plain = figures.clip_means(bona_fide, trial.bona_fide_clips, by)
    attacked = figures.clip_means(attack, trial.attack_clips, by)
    counted = [name for name in plain if not name.startswith("intel")]
    return (
        f"calls at {trial.name}: highest bona fide clip {max(plain[name] for name in counted):.3f},"
        f" lowest attacked clip {min(attacked[name] for name in counted):.3f},"
        f" frame AUC {figures.auc(bona_fide, attack):.3f}; bona fide/attacked "
        + " ".join(f"{name}={plain[name]:.2f}/{attacked[name]:.2f}" for name in plain)
    )
