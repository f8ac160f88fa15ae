"""The demo as a visitor runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "guard", "demo", "--json"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "GUARD_BOOTSTRAPPED": "1"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment, check=False
    )
    return done, folder / "guard-demo"


def test_it_goes_as_expected(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = ran
    summary = json.loads(done.stdout)
    assert summary["ok"], summary["shortfalls"]
    assert done.returncode == 0
    assert summary["run_seconds"] < 60


def test_the_summary_holds_what_was_promised(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, folder = ran
    summary = json.loads(done.stdout)
    assert summary == json.loads((folder / "summary.json").read_text())
    assert {"ok", "run_seconds", "participants", "alerts", "latency_ms"} <= summary.keys()
    assert [one["expected"] for one in summary["participants"]] == ["bona_fide", "attack", "attack"]
    for one in summary["participants"]:
        assert one.keys() == {"id", "expected", "state", "liveness", "deepfake", "coverage", "alerts"}
    for one in summary["alerts"]:
        assert one.keys() == {"id", "participant", "family", "raised_at", "cleared_at"}
    assert {"relay", "decoded", "tracked", "scored", "decided", "alert_to_mqtt"} <= summary[
        "latency_ms"
    ].keys()
    assert all(times.keys() == {"p50", "p95"} for times in summary["latency_ms"].values())


def test_the_report_stands_alone(ran: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, folder = ran
    page = (folder / "report.html").read_text()
    assert "photo in the hand" in page
    assert page.count('class="plotly-graph-div"') == 3
    assert 'src="http' not in page


def test_nothing_of_native_libraries_reaches_the_terminal(
    ran: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = ran
    assert "Traceback" not in done.stderr
    assert "W0000" not in done.stderr
