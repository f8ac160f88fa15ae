"""Errors are one sentence on stderr, as it was written, with an exit status."""

from pathlib import Path

import pytest

from guard.cli import main as command
from guard.core.errors import EnvironmentProblem
from tests.support.command import Command

pytestmark = pytest.mark.unit


def test_square_brackets_in_an_error_are_no_markup(guard: Command, monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        raise EnvironmentProblem("it lacks a clip; run: pip install 'call-guard[demo]'")

    monkeypatch.setattr(command, "app", fail)
    done = guard()
    assert done.status == 1
    assert done.error == "guard: it lacks a clip; run: pip install 'call-guard[demo]'\n"
    assert done.out == ""


def test_an_error_of_a_command_is_one_sentence_however_long(guard: Command, tmp_path: Path):
    path = tmp_path / "a folder with a name so long that no terminal shows it on one line" / "guard.toml"
    done = guard("config", "check", "--config", str(path))
    assert done.status == 1
    assert done.error == f"guard: {path}: expected a readable file, got: No such file or directory\n"


def test_ctrl_c_is_130(guard: Command, monkeypatch: pytest.MonkeyPatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "app", interrupted)
    assert guard().status == 130


def test_an_unknown_command_is_2(guard: Command):
    assert guard("sevre").status == 2


@pytest.mark.parametrize("name", ["demo", "serve", "token", "config", "engines"])
def test_every_command_has_help_with_an_example(guard: Command, name: str):
    done = guard(name, "--help")
    assert done.status == 0
    assert "Example: guard" in done.out or "COMMAND" in done.out
