from pathlib import Path

import numpy as np
import pytest

from guard.core.errors import ConfigError, ModelError, ShapeError
from guard.inference.manifest import read_manifest
from tests.support.models import write_engine

pytestmark = pytest.mark.unit


def altered(folder: Path, old: str, new: str) -> Path:
    path = folder / "engine.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return folder


def test_reads_every_section(tmp_path: Path) -> None:
    manifest = read_manifest(write_engine(tmp_path))
    assert manifest.engine.task == "manipulation"
    assert manifest.engine.commercial_use is True
    assert manifest.input.mean == (100.0, 100.0, 100.0)
    assert manifest.crop.scale == 1.5
    assert manifest.calibration.weight.size_px.at == (40.0, 80.0)
    assert manifest.engine.model_fp16 is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('version = "1"', "", "engine.version: expected this key, got nothing"),
        ("bias = 0.5", "bias = 0.5\nbais = 1", "calibration.bais: unknown key, got 1"),
        ('task = "manipulation"', 'task = "voice"', "engine.task: input should be 'manipulation'"),
        ('layout = "NCHW"', 'layout = "NHWC"', "got 'NHWC'"),
        ('attack = "positive"', 'attack = "negative"', "output.attack"),
        ("std = [50, 50, 50]", "std = [50, 0, 50]", "input.std.1"),
        ("std = [50, 50, 50]", "std = [50, 50]", "input.std.2: expected this key"),
        ("at = [40, 80]", "at = [80, 40]", "expected knots `at` that rise, got [80.0, 40.0]"),
        ("weight = [0, 1]", "weight = [0, 1.5]", "calibration.weight.size_px.weight.1"),
        ("weight = [0, 1]", "weight = [0]", "one weight and one count (or no counts) for each of 2 knots"),
        (".size_px]", ".size]", "calibration.weight.size_px: expected this key"),
        (
            'model = "model.onnx"',
            'model = "model.onnx"\nmodel_fp16 = "half.onnx"',
            "model_fp16 and sha256_fp16",
        ),
        ('model = "model.onnx"', 'model = "../other.onnx"', "engine.model"),
        ("slope = 2.0", "slope = nan", "calibration.slope"),
        ("[input]", "[input", "expected TOML"),
        ('name = "tiny"', 'name = "other"', "expected engine.name = 'tiny'"),
    ],
)
def test_refuses_a_faulty_manifest_and_says_where(tmp_path: Path, old: str, new: str, told: str) -> None:
    folder = altered(write_engine(tmp_path), old, new)
    with pytest.raises(ConfigError) as caught:
        read_manifest(folder)
    assert told in str(caught.value)
    assert str(folder / "engine.toml") in str(caught.value)


def test_missing_manifest_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"engine\.toml"):
        read_manifest(tmp_path)


def test_tensor_is_normalised_and_channels_first(tmp_path: Path) -> None:
    manifest = read_manifest(write_engine(tmp_path))
    pictures = np.zeros((2, 8, 8, 3), np.uint8)
    pictures[1, 2, 3] = (100, 150, 200)
    tensor = manifest.tensor(pictures)
    assert tensor.shape == (2, 3, 8, 8)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert tensor[1, :, 2, 3].tolist() == [0.0, 1.0, 2.0]
    assert (tensor[0] == -2.0).all()


@pytest.mark.parametrize("pictures", [np.zeros((1, 9, 9, 3), np.uint8), np.zeros((1, 8, 8, 3), np.float32)])
def test_tensor_refuses_other_sizes_and_dtypes(tmp_path: Path, pictures: np.ndarray) -> None:
    manifest = read_manifest(write_engine(tmp_path))
    with pytest.raises(ShapeError, match="expected pictures uint8"):
        manifest.tensor(pictures)
