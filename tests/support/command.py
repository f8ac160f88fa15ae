"""The ``guard`` command, run in this process."""

import sys
from dataclasses import dataclass

import pytest

from guard.cli.main import main


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended and what it wrote."""

    status: int | str | None
    out: str
    error: str


class Command:
    """Runs ``guard`` with arguments; its environment holds no settings but those given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, **environment: str) -> Done:
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setattr(sys, "argv", ["guard", *arguments])
        status: int | str | None = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code
        written = self._capsys.readouterr()
        return Done(status, written.out, written.err)
