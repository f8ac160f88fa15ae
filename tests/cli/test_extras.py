"""What an extra needs is asked for in one command."""

import shlex
import sys
from pathlib import Path

import pytest

from guard.cli import extras
from guard.core.errors import EnvironmentProblem

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A clone in a folder whose name holds the word of the command, and an interpreter with pip."""
    folder = tmp_path / "to install here"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    monkeypatch.setattr(extras, "PACKAGE", folder / "guard")
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name.startswith("no_") else name)
    return folder


def asked_for(monkeypatch: pytest.MonkeyPatch, *modules: str, start: str) -> list[str]:
    monkeypatch.setitem(extras.MODULES, "train", modules)
    monkeypatch.setitem(extras.ALONE, "train", {start: "1.0"})
    with pytest.raises(EnvironmentProblem) as caught:
        extras.require_extra("train", "train")
    return shlex.split(str(caught.value))


def test_one_command_installs_all(monkeypatch: pytest.MonkeyPatch, clone: Path):
    words = asked_for(monkeypatch, "no_such_module", "json", start="no-such-wheel")
    pip = [sys.executable, "-m", "pip", "install"]
    start = [*pip, "--no-deps", "no-such-wheel==1.0"]
    told = "expected no_such_module and no-such-wheel to train, got none; install:"
    assert words == [*told.split(), *pip, "-e", f"{clone}[train]", "&&", *start]


def test_only_what_lacks_is_asked_for(monkeypatch: pytest.MonkeyPatch, clone: Path):
    words = asked_for(monkeypatch, "json", start="no-such-wheel")
    assert "-e" not in words
    assert words[-1] == "no-such-wheel==1.0"
    words = asked_for(monkeypatch, "no_such_module", start="pytest")
    assert "--no-deps" not in words
    assert words[-1] == f"{clone}[train]"


def test_who_has_all_is_asked_for_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(extras.MODULES, "train", ("json",))
    monkeypatch.setitem(extras.ALONE, "train", {"pytest": "1.0"})
    extras.require_extra("train", "train")


def test_an_environment_without_pip_is_installed_into_from_outside(
    monkeypatch: pytest.MonkeyPatch, clone: Path
):
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    (clone / "pyproject.toml").unlink()
    words = asked_for(monkeypatch, "json", start="pytest")
    assert words[-7:] == ["python3", "-m", "pip", "--python", sys.executable, "install", "call-guard[train]"]
