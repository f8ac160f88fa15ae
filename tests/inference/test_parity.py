from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.core.errors import ModelError
from guard.inference.manifest import Manifest, read_manifest
from guard.inference.parity import check_parity, check_twin
from tests.support.models import MeanEngine, write_engine

pytestmark = pytest.mark.unit

INPUTS = np.linspace(-1, 1, 2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)
LOGITS = INPUTS.mean(axis=(1, 2, 3))


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_manifest(write_engine(tmp_path))


def golden(folder: Path, **arrays: Any) -> Path:
    path = folder / "golden.npz"
    np.savez_compressed(path, **arrays)
    return path


def test_recorded_outputs_of_any_layout_agree(tmp_path: Path, manifest: Manifest) -> None:
    path = golden(tmp_path, inputs=INPUTS, outputs=LOGITS[:, None])
    assert check_parity(MeanEngine(), manifest, path) == pytest.approx(0.0, abs=1e-6)


def test_a_drifted_backend_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    path = golden(tmp_path, inputs=INPUTS, outputs=LOGITS + np.array([0.0, 0.002], np.float32))
    with pytest.raises(ModelError, match=r"got 0\.002"):
        check_parity(MeanEngine(), manifest, path)
    assert check_parity(MeanEngine(), manifest, path, tolerance=0.01) == pytest.approx(0.002, rel=1e-3)


def test_not_a_number_is_no_agreement(tmp_path: Path, manifest: Manifest) -> None:
    path = golden(tmp_path, inputs=INPUTS, outputs=np.array([np.nan, 0.0], np.float32))
    with pytest.raises(ModelError, match="nan"):
        check_parity(MeanEngine(), manifest, path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"inputs": INPUTS},
        {"inputs": INPUTS, "outputs": LOGITS[:1]},
        {"inputs": INPUTS[:0], "outputs": LOGITS[:0]},
    ],
)
def test_incomplete_recordings_are_refused(
    tmp_path: Path, manifest: Manifest, arrays: dict[str, np.ndarray]
) -> None:
    with pytest.raises(ModelError, match=r"golden\.npz"):
        check_parity(MeanEngine(), manifest, golden(tmp_path, **arrays))


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut off"])
def test_missing_or_broken_file_is_a_model_error(
    tmp_path: Path, manifest: Manifest, content: bytes | None
) -> None:
    path = tmp_path / "golden.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"golden\.npz"):
        check_parity(MeanEngine(), manifest, path)


def test_a_twin_is_compared_by_its_probabilities(tmp_path: Path, manifest: Manifest) -> None:
    close = golden(tmp_path, inputs=INPUTS, outputs=LOGITS + np.float32(0.015))
    with pytest.raises(ModelError, match=r"expected outputs within 0\.001"):
        check_parity(MeanEngine(), manifest, close)
    assert 0.0 < check_twin(MeanEngine(), manifest, close) < 0.01


def test_a_twin_that_says_something_else_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    path = golden(tmp_path, inputs=INPUTS, outputs=LOGITS + np.float32(0.1))
    with pytest.raises(ModelError, match=r"probabilities of the fp16 twin within 0\.01"):
        check_twin(MeanEngine(), manifest, path)
