"""Who is never trained on, and what learned from clips: one place for recipes, calibration and benches."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

HELD_OUT_SHARE = 0.15
HELD_OUT_CLIPS = frozenset({"liveportrait_d9", "liveportrait_d10", "vretalk_1"})
"""Clips of the project's data (their ``group``, and their file's name) that are kept whatever their hash."""

SIDES: Mapping[str, bool] = MappingProxyType({"yes": True, "no": False})
"""Column ``held_out`` of a manifest, and what it means."""

TASKS_THAT_LEARN_FROM_CLIPS = frozenset({"presentation"})
"""Tasks of the engines whose recipe learns from bona fide clips; none is calibrated on a clip."""


def placed(group: str, side: str) -> str:
    """The group on a side (one of ``SIDES``), or as it is where its manifest names none.

    The side stands behind a tab, which no group of a table holds: so it goes wherever the group goes.
    """
    return f"{group}\t{side}" if side else group


def is_held_out(group: str) -> bool:
    """Whether this person, scene or clip (a manifest's ``group``) is kept for validation.

    As its manifest places it, else by hash, so that it never moves, whatever else the data hold; the
    project's few clips by name.
    """
    if group in HELD_OUT_CLIPS:
        return True
    _, tab, side = group.partition("\t")
    if tab:
        return SIDES[side]
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE


def is_learned_from(task: str, clip: str) -> bool:
    """Whether the project's engine of this task saw frames of this clip (its ``group``) in training."""
    return task in TASKS_THAT_LEARN_FROM_CLIPS and not is_held_out(clip)
