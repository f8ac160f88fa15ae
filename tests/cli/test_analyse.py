"""``guard analyse`` over drawn clips, with scripted faces."""

import json
from pathlib import Path

import pytest

from guard.cli.analyse import command, run
from guard.config import Settings
from guard.core.errors import ModelError
from guard.session.offline import Analyser
from guard.telemetry import log
from tests.support.clips import write_clip, write_sound
from tests.support.command import Command
from tests.support.findings import PROVENANCE
from tests.support.scripted import ScriptedDetector, ScriptedFaces

pytestmark = pytest.mark.media


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the one detector says of every face; the streams of the test process stay as they are."""
    says = [0.05]

    def open_analyser(settings: Settings) -> Analyser:
        return Analyser(settings, ScriptedFaces, lambda _: (ScriptedDetector(says[0]),), PROVENANCE)

    monkeypatch.setattr(run, "open_analyser", open_analyser)
    monkeypatch.setattr(command, "divert_native_stderr", lambda _to: None)
    monkeypatch.setattr(log, "configure", lambda *_, **__: None)
    return says


@pytest.fixture
def clip(tmp_path: Path) -> str:
    return str(write_clip(tmp_path / "clip.mkv", 80, (64, 48), fps=8))


def test_a_file_without_a_finding_is_0(guard: Command, clip: str):
    done = guard("analyse", clip)
    assert (done.status, done.error) == (0, "")
    assert done.out.startswith(
        "clip.mkv: no finding. No attack was found; 100% of the file could be judged.\n"
    )
    assert "  face 1: no finding · liveness 0.90, deepfake 0.08, judged 100%\n" in done.out


def test_an_alert_is_1(guard: Command, clip: str, scripted: list[float]):
    scripted[0] = 0.999
    done = guard("analyse", clip)
    assert done.status == 1
    assert "clip.mkv: attack suspected. Suspected of a manipulated face" in done.out
    assert "  alert: manipulation, severity 3, raised at" in done.out


def test_json_is_one_line_a_file_and_knows_no_folder(guard: Command, clip: str, tmp_path: Path):
    sound = write_sound(tmp_path / "voice.wav")
    done = guard("analyse", "--json", str(sound), clip, str(tmp_path))
    assert done.status == 1
    refused, found, folder = (json.loads(line) for line in done.out.splitlines())
    assert refused == {
        "file": "voice.wav",
        "error": "expected a video track, got none; give a file that ffprobe can read",
    }
    assert (found["file"], found["frames"], found["state"]) == ("clip.mkv", 80, "bona_fide")
    assert folder["error"].startswith("expected a regular file")
    assert str(tmp_path) not in done.out
    assert ", " not in done.out.splitlines()[1].split('"software"')[0]


def test_two_runs_give_the_same_bytes(guard: Command, clip: str, tmp_path: Path, scripted: list[float]):
    scripted[0] = 0.999
    page = tmp_path / "report.html"
    runs = [
        (guard("analyse", "--json", "--report", str(page), clip, clip), page.read_bytes()) for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert b"chart-1-1" in runs[0][1]


def test_no_file_is_2(guard: Command):
    assert guard("analyse").status == 2


def test_a_report_over_a_video_is_2_and_leaves_the_video(guard: Command, clip: str):
    before = Path(clip).read_bytes()
    done = guard("analyse", "--report", clip, clip)
    assert done.status == 2
    assert "report.html" in done.error
    assert Path(clip).read_bytes() == before


def test_a_report_that_cannot_be_written_is_told_before_the_work(guard: Command, clip: str, tmp_path: Path):
    done = guard("analyse", "--report", str(tmp_path / "nowhere" / "report.html"), clip)
    assert done.status == 1
    assert "expected a file to write to, got No such file or directory" in done.error
    assert done.out == ""


def test_what_breaks_on_one_file_costs_that_file_only(
    guard: Command, clip: str, monkeypatch: pytest.MonkeyPatch
):
    sound = Analyser.analyse
    broken = iter([RuntimeError("INTERNAL: a calculator failed")])

    def analyse(self: Analyser, *arguments: object) -> object:
        for error in broken:
            raise error
        return sound(self, *arguments)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(Analyser, "analyse", analyse)
    done = guard("analyse", "--json", clip, clip)
    first, second = (json.loads(line) for line in done.out.splitlines())
    assert first == {"file": "clip.mkv", "error": "INTERNAL: a calculator failed"}
    assert second["state"] == "bona_fide"
    assert done.status == 1


def test_a_model_that_is_gone_ends_the_run(guard: Command, clip: str, monkeypatch: pytest.MonkeyPatch):
    def analyse(*_: object) -> object:
        msg = "model.onnx: expected a model file"
        raise ModelError(msg)

    monkeypatch.setattr(Analyser, "analyse", analyse)
    done = guard("analyse", "--json", clip, clip)
    assert (done.status, done.out) == (1, "")
    assert done.error == "guard: model.onnx: expected a model file\n"


def test_help_shows_an_example(guard: Command):
    done = guard("analyse", "--help")
    assert done.status == 0
    assert "Example: guard analyse" in done.out
