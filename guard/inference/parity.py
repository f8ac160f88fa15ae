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

TWIN_TOLERANCE = 0.01
"""Largest difference allowed to an fp16 twin, in P(attack): eleven bits cannot keep more of a logit."""


def check_parity(engine: Engine, manifest: Manifest, golden: Path, tolerance: float = TOLERANCE) -> float:
    """The largest absolute difference between the recorded logits and those of ``engine``.

    ``golden`` holds ``inputs``, float32 (n, 3, size, size) as fed to the graph, and ``outputs``, n logits.

    Raises:
        ModelError: the file is missing or not of that form, or the difference exceeds ``tolerance``.
    """
    found, expected = _answers(engine, manifest, golden)
    return _within(np.abs(found - expected), tolerance, manifest, golden, "outputs")


def check_twin(twin: Engine, manifest: Manifest, golden: Path, tolerance: float = TWIN_TOLERANCE) -> float:
    """The largest absolute difference of P(attack) between the recorded outputs and those of an fp16 twin.

    Raises:
        ModelError: as ``check_parity``.
    """
    answers = _answers(twin, manifest, golden)
    found, expected = (np.array([manifest.calibration.probability(x) for x in part]) for part in answers)
    return _within(np.abs(found - expected), tolerance, manifest, golden, "probabilities of the fp16 twin")


def _answers(
    engine: Engine, manifest: Manifest, golden: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits found and logits recorded."""
    inputs, expected = _read(golden)
    outputs = engine.infer({manifest.input.name: inputs})
    found = outputs[manifest.output.name].reshape(-1)
    if found.shape != expected.shape:
        msg = (
            f"{golden}: expected {expected.size} outputs as recorded, got {found.size}; record the file again"
        )
        raise ModelError(msg)
    return found, expected


def _within(
    differences: NDArray[np.floating], tolerance: float, manifest: Manifest, golden: Path, what: str
) -> float:
    largest = float(differences.max())
    if not largest <= tolerance:  # also when it is not a number
        msg = (
            f"{manifest.engine.name}: expected {what} within {tolerance} of {golden}, got {largest:.6f}; "
            f"this does not compute the model that was made: use another backend, or make it again"
        )
        raise ModelError(msg)
    return largest


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
