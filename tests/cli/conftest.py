"""What the tests of commands share."""

import pytest

from tests.support.command import Command


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)
