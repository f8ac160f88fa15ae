"""Golden parity: a backend must give the outputs that were recorded when the model was made."""

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.core.errors import ModelError
from guard.inference.engine import Engine
from guard.inference.manifest import Manifest

GOLDEN_NAME = "golden.npz"
TOLERANCE = 1e-3
"""Largest difference allowed, in logits."""


def check_parity(engine: Engine, manifest: Manifest, golden: Path, tolerance: float = TOLERANCE) -> float:
    """The largest absolute difference between the recorded logits and those of ``engine``.

    ``golden`` holds ``inputs``, float32 (n, 3, size, size) as fed to the graph, and ``outputs``, n logits.

    Raises:
        ModelError: the file is missing or not of that form, or the difference exceeds ``tolerance``.
    """
    inputs, expected = _read(golden)
    outputs = engine.infer({manifest.input.name: inputs})
    found = outputs[manifest.output.name].reshape(-1)
    if found.shape != expected.shape:
        msg = (
            f"{golden}: expected {expected.size} outputs as recorded, got {found.size}; record the file again"
        )
        raise ModelError(msg)
    difference = float(np.abs(found - expected).max())
    if not difference <= tolerance:  # also when it is not a number
        msg = (
            f"{manifest.engine.name}: expected outputs within {tolerance} of {golden}, got {difference:.6f}; "
            f"this backend does not compute the model that was made: use another, or build it again"
        )
        raise ModelError(msg)
    return difference


def _read(golden: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    try:
        with np.load(io.BytesIO(golden.read_bytes()), allow_pickle=False) as arrays:
            inputs, outputs = arrays["inputs"], arrays["outputs"].reshape(-1)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        msg = f"{golden}: expected arrays `inputs` and `outputs`, got {error}; make it again with the recipe"
        raise ModelError(msg) from error
    if not len(inputs):
        msg = f"{golden}: expected at least one input, got none; make it again with the recipe"
        raise ModelError(msg)
    return inputs.astype(np.float32, copy=False), outputs.astype(np.float32, copy=False)
