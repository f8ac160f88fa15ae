"""Whether an engine is whole and computes what it did when it was made, its fp16 twin too."""

from dataclasses import dataclass
from pathlib import Path

from guard.inference.open import open_folder, open_twin
from guard.inference.parity import GOLDEN_NAME, TOLERANCE, check_parity, check_twin


@dataclass(frozen=True, slots=True)
class Checked:
    """How far an engine that passed is from its golden outputs."""

    difference: float
    """The largest, in logits."""
    twin_difference: float | None
    """The largest of its twin, in P(attack); None where it has none."""


def check_engine(folder: Path, tolerance: float = TOLERANCE) -> Checked:
    """Open the engine in ``folder`` and compare it with its golden outputs, to within so many logits.

    Raises:
        ModelError: its model is missing, altered or does not fit its manifest, or it computes something else.
        ConfigError: its manifest is faulty.
    """
    golden = folder / GOLDEN_NAME
    loaded = open_folder(folder)
    try:
        difference = check_parity(loaded.engine, loaded.manifest, golden, tolerance)
    finally:
        loaded.engine.deactivate()
    twin = open_twin(folder)
    if twin is None:
        return Checked(difference, None)
    try:
        return Checked(difference, check_twin(twin.engine, twin.manifest, golden))
    finally:
        twin.engine.deactivate()
