from pathlib import Path
from typing import Any

import pytest

from guard.core.errors import ModelError
from guard.inference.open import list_engines, open_engine, open_twin
from tests.support.models import write_engine, write_model

pytestmark = pytest.mark.model


def test_opens_an_active_engine(tmp_path: Path) -> None:
    write_engine(tmp_path)
    loaded = open_engine("tiny", tmp_path)
    assert loaded.manifest.engine.name == "tiny"
    assert dict(loaded.engine.inputs()) == {"pixels": (None, 3, 8, 8)}


def test_lists_without_loading(tmp_path: Path) -> None:
    (write_engine(tmp_path, "a") / "model.onnx").unlink()
    write_engine(tmp_path, "b", task="presentation")
    assert [(m.engine.name, m.engine.task) for m in list_engines(tmp_path)] == [
        ("a", "manipulation"),
        ("b", "presentation"),
    ]


@pytest.mark.parametrize(
    ("shape", "told"), [({"side": 16}, "expected inputs"), ({"output": "other"}, "expected 'logit'")]
)
def test_graph_must_fit_its_manifest(tmp_path: Path, shape: dict[str, Any], told: str) -> None:
    folder = write_engine(tmp_path)
    manifest = (folder / "engine.toml").read_text()
    before = manifest.split('sha256 = "')[1][:64]
    after = write_model(folder / "model.onnx", **shape)
    (folder / "engine.toml").write_text(manifest.replace(before, after))
    with pytest.raises(ModelError, match=told):
        open_engine("tiny", tmp_path)


def test_an_engine_may_have_a_twin_in_half_precision(tmp_path: Path) -> None:
    folder = write_engine(tmp_path)
    assert open_twin(tmp_path / "tiny") is None
    sha256 = write_model(folder / "half.onnx")
    manifest = (folder / "engine.toml").read_text()
    twin = f'model_fp16 = "half.onnx"\nsha256_fp16 = "{sha256}"\nlicence'
    (folder / "engine.toml").write_text(manifest.replace("licence", twin, 1))
    loaded = open_twin(tmp_path / "tiny")
    assert loaded is not None
    assert dict(loaded.engine.inputs()) == {"pixels": (None, 3, 8, 8)}
    (folder / "half.onnx").write_bytes(b"altered")
    with pytest.raises(ModelError, match="altered model file"):
        open_twin(tmp_path / "tiny")
