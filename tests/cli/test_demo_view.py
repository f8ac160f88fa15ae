"""The demo's terminal picture and its last words."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from guard.cli.alert_lines import NOT_TOLD
from guard.cli.demo.command import tell
from guard.cli.demo.record import CallerRecord, Run
from guard.cli.demo.view import render
from tests.support.demo import finished_run

pytestmark = pytest.mark.unit


def shown(width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(render(finished_run(), {"p1": 8.0}, 40.0))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_everything_fits_into_80_columns():
    text = shown(80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for word in ("talking person", "photo in the hand", "live face swap", "insufficient", "0.93", "1234"):
        assert word in text


def test_whom_nobody_could_judge_has_no_score():
    (line,) = (line for line in shown(120).splitlines() if "insufficient" in line)
    assert line.split()[-5:] == [NOT_TOLD, NOT_TOLD, "100%", "0.0", "1234"]


def test_a_title_is_no_markup():
    assert "me[red]<b>" in shown(80)


def test_a_shortfall_is_no_markup():
    console = Console(file=io.StringIO(), width=200)
    failed = CallerRecord("p1", "clip[demo].mp4", "attack", received_frames=1)
    tell(console, Run([failed]), Path("a[b]/report.html"), Path("a[b]/summary.json"))
    assert isinstance(console.file, io.StringIO)
    assert "not as expected: clip[demo].mp4: raised nothing" in console.file.getvalue()
    assert "a[b]/report.html" in console.file.getvalue()
