"""``guard engines``."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from guard.cli import engines
from guard.core.errors import ModelError
from tests.support.command import Command
from tests.support.models import write_engine

pytestmark = pytest.mark.unit


def test_a_reason_with_square_brackets_is_shown_whole(guard: Command, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise ModelError("it is altered; run: pip install 'call-guard[demo]'")

    monkeypatch.setattr(engines, "engine_folders", lambda _: [Path("face-presentation")])
    monkeypatch.setattr(engines, "check_engine", fail)
    done = guard("engines", "check")
    assert done.status == 1
    assert done.out == "face-presentation: it is altered; run: pip install 'call-guard[demo]'\n"


def test_a_twin_that_computes_something_else_is_told(guard: Command, tmp_path: Path):
    folder = write_engine(tmp_path)
    inputs = np.zeros((1, 3, 8, 8), np.float32)
    np.savez(folder / "golden.npz", inputs=inputs, outputs=np.zeros(1, np.float32))
    twin = (folder / "model.onnx").read_bytes()
    (folder / "half.onnx").write_bytes(twin)
    names = f'model_fp16 = "half.onnx"\nsha256_fp16 = "{hashlib.sha256(twin).hexdigest()}"\nlicence'
    manifest = (folder / "engine.toml").read_text()
    (folder / "engine.toml").write_text(manifest.replace("licence", names, 1))
    done = guard("engines", "check", "--dir", str(tmp_path), "--json")
    assert done.status == 0
    assert json.loads(done.out)["max_difference_fp16"] == 0.0
    (folder / "half.onnx").write_bytes(twin + b"x")
    done = guard("engines", "check", "--dir", str(tmp_path))
    assert done.status == 1
    assert "half.onnx: altered model file" in done.out


@pytest.mark.parametrize("word", ["list", "check"])
def test_a_faulty_manifest_hides_no_other_engine(guard: Command, tmp_path: Path, word: str):
    for name in ("a", "b", "c"):
        folder = write_engine(tmp_path, name)
        inputs = np.zeros((1, 3, 8, 8), np.float32)
        np.savez(folder / "golden.npz", inputs=inputs, outputs=np.zeros(1, np.float32))
    (tmp_path / "b" / "engine.toml").write_text("[engine")
    done = guard("engines", word, "--dir", str(tmp_path), "--json")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row.get("name", row.get("engine")) for row in rows] == ["a", "b", "c"]
    assert ["expected TOML" in row.get("error", "") for row in rows] == [False, True, False]
    assert done.status == (1 if word == "check" else 0)
    told = guard("engines", word, "--dir", str(tmp_path)).out
    assert "TOML" in told


def test_a_model_without_a_manifest_is_told(guard: Command, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.onnx").write_bytes(b"x")
    done = guard("engines", "check", "--dir", str(tmp_path))
    assert done.status == 1
    assert "expected engine.toml beside the model" in done.out
