"""``guard engines``."""

from pathlib import Path

import pytest

from guard.cli import engines
from guard.core.errors import ModelError
from guard.inference.open import list_engines
from tests.support.command import Command

pytestmark = pytest.mark.unit


def test_a_reason_with_square_brackets_is_shown_whole(guard: Command, monkeypatch: pytest.MonkeyPatch):
    found = list_engines(Path(__file__).parents[2] / "engines")

    def fail(*_: object) -> None:
        raise ModelError("it is altered; run: pip install 'call-guard[demo]'")

    monkeypatch.setattr(engines, "list_engines", lambda _: found[:1])
    monkeypatch.setattr(engines, "open_engine", fail)
    done = guard("engines", "check")
    assert done.status == 1
    assert done.out == f"{found[0].engine.name}: it is altered; run: pip install 'call-guard[demo]'\n"


def test_a_model_without_a_manifest_is_told(guard: Command, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.onnx").write_bytes(b"x")
    done = guard("engines", "check", "--dir", str(tmp_path))
    assert done.status == 1
    assert "expected engine.toml beside the model" in done.out
