"""Who is never trained on: one rule for recipes, calibration and benches."""

import hashlib

HELD_OUT_SHARE = 0.15


def is_held_out(group: str) -> bool:
    """Whether this person, scene or clip (a manifest's ``group``) is kept for validation.

    By hash, so that it never moves, whatever else the data hold.
    """
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE
