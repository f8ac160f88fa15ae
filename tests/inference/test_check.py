"""Whole engines against their golden outputs."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from guard.core.errors import ModelError
from guard.inference.check import check_engine
from tests.support.models import write_engine

pytestmark = pytest.mark.model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_engine(tmp_path)
    inputs = np.zeros((1, 3, 8, 8), np.float32)
    np.savez(made / "golden.npz", inputs=inputs, outputs=np.full(1, 0.0005, np.float32))
    return made


def test_a_whole_engine_passes_with_its_difference(folder: Path):
    checked = check_engine(folder)
    assert checked.difference == pytest.approx(0.0005)
    assert checked.twin_difference is None


def test_less_may_be_allowed(folder: Path):
    with pytest.raises(ModelError, match=r"expected outputs within 0\.0001"):
        check_engine(folder, 0.0001)


def test_a_twin_is_checked_too(folder: Path):
    twin = (folder / "model.onnx").read_bytes()
    names = f'model_fp16 = "half.onnx"\nsha256_fp16 = "{hashlib.sha256(twin).hexdigest()}"\nlicence'
    manifest = (folder / "engine.toml").read_text()
    (folder / "engine.toml").write_text(manifest.replace("licence", names, 1))
    with pytest.raises(ModelError, match=r"half\.onnx"):
        check_engine(folder)
    (folder / "half.onnx").write_bytes(twin)
    difference = check_engine(folder).twin_difference
    assert difference is not None
    assert 0.0 < difference < 0.001
