"""The demo's page."""

import json
from pathlib import Path

import pytest

from guard.cli.demo.report import write_report
from tests.support.demo import finished_run

pytestmark = pytest.mark.unit


def test_a_title_is_text_in_the_page(tmp_path: Path):
    page, summary = write_report(finished_run(), tmp_path / "run")
    text = page.read_text()
    assert "me[red]&lt;b&gt; with" in text
    assert "me[red]<b>" not in text
    assert '"y":[null]' in text  # a gap in the lines of whom nobody could judge
    assert json.loads(summary.read_text())["run_seconds"] == 44.0
