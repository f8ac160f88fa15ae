"""``guard doctor``: what it finds on machines good and broken."""

import asyncio
import io
import json
import stat
import sys
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from guard.cli.doctor import software as programs
from guard.cli.doctor.accelerators import _nvidia, _runtime, accelerators
from guard.cli.doctor.check import Check, Checks, Level, examined, good, trial
from guard.cli.doctor.command import examine, tell
from guard.cli.doctor.machine import machine
from guard.cli.doctor.models import models
from guard.cli.doctor.software import packages, software
from guard.config import MqttSettings, Settings, WebSettings
from guard.config.settings import AnalysisSettings, FaceSettings
from guard.core.errors import EnvironmentProblem
from tests.support.checks import levels, named
from tests.support.models import write_engine
from tests.support.served import ran

pytestmark = pytest.mark.model

SECRET = 'k"\\é' + "Xy7" * 12


def test_this_machine_can_run_the_tests():
    assert Level.FAILED not in levels(machine())


def test_a_small_old_machine_is_told_as_it_is(tmp_path: Path):
    cpus, memory = tmp_path / "cpuinfo", tmp_path / "meminfo"
    cpus.write_text("model name\t: Celeron\nflags\t\t: fpu sse2\n")
    memory.write_text("MemTotal: 8000000 kB\nMemAvailable:    1000000 kB\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("536870912\n")
    found = list(machine(cpus, memory, tmp_path, "x86_64"))
    assert named(found, "CPU").found == "Celeron: none of the fast ones"
    assert named(found, "CPU").expected == "avx2"
    assert named(found, "cores").found == "0.5 usable (limit of the container)"
    assert named(found, "memory").found == "0.5 GiB available (limit of the container)"
    assert {named(found, name).level for name in ("CPU", "cores", "memory")} == {Level.WARNING}


def test_a_machine_that_tells_nothing_of_itself_is_not_blamed(tmp_path: Path):
    nowhere = tmp_path / "nowhere"
    found = list(machine(nowhere, nowhere, nowhere, "riscv64"))
    assert named(found, "CPU").found == "riscv64 (instructions not known here)"
    assert named(found, "memory").level is Level.OK


def test_what_our_metadata_asks_for_is_here():
    found = list(software())
    assert levels(found) == {Level.OK}
    assert {"aiortc", "av", "mediapipe", "onnxruntime"} <= {one.name for one in found}


def test_a_package_too_old_missing_or_meant_for_others_is_told_apart():
    found = list(packages(["aiortc>=99", "no-such-package>=1", "rich", "nor-this; extra == 'train'"]))
    assert [(one.name, one.level) for one in found] == [
        ("aiortc", Level.FAILED),
        ("no-such-package", Level.FAILED),
        ("other packages", Level.OK),
    ]
    assert (found[0].expected, found[0].mend) == (">=99", "pip install 'aiortc>=99'")
    assert found[1].found == "not installed"
    assert found[2].found == "1, all as required"


def test_system_libraries_that_are_missing_are_named_with_the_command_that_brings_them(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(programs, "missing_libraries", lambda: ["libEGL.so.1"])
    check = named(software(), "system libraries")
    assert (check.level, check.found) == (Level.FAILED, "missing: libEGL.so.1")
    assert "libegl" in check.mend.lower() or "hold them" in check.mend


@pytest.mark.parametrize(
    ("version", "level"), [("1.14.0", Level.FAILED), ("1.14.1", Level.OK), (None, Level.OK)]
)
def test_an_old_libvpx_is_refused(monkeypatch: pytest.MonkeyPatch, version: str | None, level: Level):
    monkeypatch.setattr("guard.cli.doctor.codecs.libvpx_version", lambda: version)
    assert named(software(), "libvpx in av").level is level


def test_codecs_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.cli.doctor.codecs.missing_codecs", lambda: ("libvpx",))
    check = named(software(), "FFmpeg in av")
    assert check.level is Level.FAILED
    assert "without libvpx" in check.found


def test_another_aiortc_is_told_in_the_words_of_the_adapter(monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        raise EnvironmentProblem("aiortc 9: expected X, got none; install 1.16")

    monkeypatch.setattr("guard.media.transport.check_adapter", fail)
    check = named(software(), "aiortc adapter")
    assert (check.level, check.found) == (Level.FAILED, "aiortc 9: expected X, got none; install 1.16")


def test_the_models_of_the_package_are_whole_and_fast():
    found = list(models(Settings()))
    assert levels(found) == {Level.OK}
    engine = named(found, "engine face-manipulation").found
    assert "golden outputs" in engine
    assert "ms a face on one core" in engine
    assert "no commercial use" in engine


def test_engines_that_are_used_and_missing_fail_and_others_that_are_broken_warn(tmp_path: Path):
    (write_engine(tmp_path, "spare") / "model.onnx").write_bytes(b"altered")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "model.onnx").write_bytes(b"")
    analysis = AnalysisSettings(engines_dir=tmp_path, manipulation_engine="gone", second_opinions=("lost",))
    found = list(models(Settings(analysis=analysis)))
    for name in ("gone", "lost"):
        assert named(found, f"engine {name}").level is Level.FAILED
        assert f"expected {name}/engine.toml" in named(found, f"engine {name}").found
    assert named(found, "engine spare").level is Level.WARNING
    assert "altered model file" in named(found, "engine spare").found
    assert named(found, "engine bare").found == "a model without engine.toml"


def test_an_altered_face_model_fails(tmp_path: Path):
    altered = tmp_path / "face_landmarker.task"
    altered.write_bytes(b"x")
    found = list(models(Settings(faces=FaceSettings(model_path=altered))))
    assert named(found, "face model").level is Level.FAILED
    assert named(found, "face landmarker").level is Level.FAILED


def test_a_landmarker_that_ends_the_process_is_told_by_its_last_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.cli.doctor.models.__name__", "nowhere_to_be_found")
    check = named(models(Settings()), "face landmarker")
    assert check.level is Level.FAILED
    assert "ended with status 1; its last words: ModuleNotFoundError" in check.found


def command_in(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_without_an_accelerator_nothing_fails():
    assert Level.FAILED not in levels(accelerators())


@pytest.mark.parametrize(
    ("script", "level", "words"),
    [
        ("echo 'NVIDIA L4, 580.65, 23034 MiB, 8.9'", Level.OK, "NVIDIA L4, 580.65, 23034 MiB, 8.9"),
        ("echo 'Driver/library version mismatch'; exit 18", Level.WARNING, "mismatch"),
        ("exit 9", Level.WARNING, "exit status 9"),
    ],
)
def test_a_gpu_is_told_in_the_words_of_its_driver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, level: Level, words: str
):
    command_in(tmp_path, "nvidia-smi", script)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    check = _nvidia()
    assert check.level is level
    assert words in check.found


@pytest.mark.parametrize(
    ("code", "level", "words"),
    [
        ("__version__ = '11.4'", Level.OK, "11.4"),
        ("raise ImportError('libnvinfer.so.11: cannot open')", Level.WARNING, "libnvinfer.so.11"),
        ("import os; os._exit(7)", Level.WARNING, "exit status 7"),
    ],
)
def test_a_runtime_is_tried_in_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, level: Level, words: str
):
    (tmp_path / "some_runtime.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = _runtime("Some", "some_runtime", "some_runtime")
    assert check.level is level
    assert words in check.found
    assert "some_runtime" not in sys.modules


def test_a_part_that_breaks_off_is_told_and_the_rest_goes_on():
    def look() -> Checks:
        yield good("x", "first", "")
        raise ImportError("libGL.so.1")

    assert [one.level for one in examined("x", look)] == [Level.OK, Level.FAILED]


def test_a_trial_keeps_the_words_of_what_went_wrong():
    def work() -> str:
        raise OSError

    assert trial("x", "y", work).found == "OSError"


def test_findings_are_shown_with_what_mends_them():
    checks = [good("a", "one", "fine"), Check("b", "two", Level.FAILED, "[bad]", "good", "mend it")]
    console = Console(width=100, record=True, file=io.StringIO())
    tell(checks, Path("x.zip"), console)
    shown = console.export_text()
    assert "[bad]; expected good" in shown
    assert "→ mend it" in shown
    assert "something would not run: 1 failed, 0 warnings" in shown


def test_everything_is_looked_at():
    settings = Settings(mqtt=MqttSettings(url="mqtts://broker.example"), web=WebSettings(port=0))
    areas = {check.area for check in examine(settings, ask_network=False)}
    assert areas == {"configuration", "machine", "software", "models", "accelerators", "network"}


async def test_the_command_prints_one_line_for_programs_and_writes_the_support_file(tmp_path: Path):
    path = tmp_path / "key"
    await asyncio.to_thread(path.write_text, SECRET)
    environment = {
        "GUARD__WEB__TOKEN_KEY_FILE": str(path),
        "GUARD__WEB__PORT": "0",
        "GUARD__MQTT__PASSWORD": "hunter22",
        "GUARD_TOKEN": "a.token.of.mine",
    }
    done = await ran(tmp_path, "doctor", "--json", "--bundle", "support.zip", **environment)
    assert done.status == 0, done.out
    (line,) = done.out.splitlines()
    assert json.loads(line)["ok"] is True
    with zipfile.ZipFile(tmp_path / "support.zip") as bundle:
        together = done.out + "".join(bundle.read(name).decode() for name in bundle.namelist())
    for word in (SECRET[4:], "hunter22", "a.token.of.mine"):
        assert word not in together


async def test_the_command_fails_where_something_would_not_run(tmp_path: Path):
    environment = {"GUARD__ANALYSIS__MANIPULATION_ENGINE": "gone", "GUARD__WEB__PORT": "0", "COLUMNS": "150"}
    done = await ran(tmp_path, "doctor", **environment)
    assert done.status == 1
    assert "something would not run" in done.out
    assert "Traceback" not in done.error
