"""Who is never trained on, and what learned from clips: one place for recipes, calibration and benches."""

import hashlib

HELD_OUT_SHARE = 0.15
HELD_OUT_CLIPS = frozenset({"liveportrait_d9", "liveportrait_d10", "vretalk_1"})
"""Clips of the project's data (their ``group``, and their file's name) that are kept whatever their hash."""

TASKS_THAT_LEARN_FROM_CLIPS = frozenset({"presentation"})
"""Tasks of the engines whose recipe learns from bona fide clips; none is calibrated on a clip."""


def is_held_out(group: str) -> bool:
    """Whether this person, scene or clip (a manifest's ``group``) is kept for validation, unless that says.

    By hash, so that it stays where it is, whatever else the data hold; the project's few clips by name.
    """
    if group in HELD_OUT_CLIPS:
        return True
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE


def is_learned_from(task: str, clip: str) -> bool:
    """Whether the project's engine of this task saw frames of this clip (its ``group``) in training."""
    return task in TASKS_THAT_LEARN_FROM_CLIPS and not is_held_out(clip)
