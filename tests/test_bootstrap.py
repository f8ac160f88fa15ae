"""The bootstrap: one clear sentence for each machine that cannot run us, a whole environment elsewhere."""

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import guard.__main__ as bootstrap

pytestmark = pytest.mark.unit

SOURCE = Path(bootstrap.__file__).read_text()

Script: TypeAlias = Callable[[str, str], Path]
"""Makes a program on a PATH that holds nothing else: (name, lines of sh)."""


class Became(Exception):  # noqa: N818 -- stands for the end of this process
    """The process would have become this command."""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty clone for the bootstrap to work in."""
    venv = tmp_path / ".venv"
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", venv)
    monkeypatch.setattr(bootstrap, "OLD_VENV", tmp_path / ".venv-old")
    monkeypatch.setattr(bootstrap, "PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(bootstrap, "STAMP", venv / "guard-installed")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, lines: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise Became where the process would become another."""

    def become(*command: Any) -> None:
        raise Became(*command)

    monkeypatch.setattr(os, "execv", become)
    monkeypatch.setattr(os, "execve", become)


def lacking_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "LIBRARIES", {"libabsent.so.7": ("libabsent7", "absent")})


def test_file_is_read_by_python_3_8():
    ast.parse(SOURCE, feature_version=(3, 8))


def test_only_the_standard_library_is_imported_before_the_environment_is_there():
    imported = {
        name.split(".")[0]
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }
    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 14)])
def test_other_python_is_refused_in_one_sentence(version: tuple[int, int], script: Script):
    script("python3.13", "exit 1")
    script("python3.12", "exit 0")
    with pytest.raises(bootstrap.Refusal) as told:
        bootstrap.check_machine(version, "Linux")
    assert str(told.value) == (
        f"call-guard needs Python 3.11 to 3.13, this is 3.{version[1]}; "
        "this machine has one: python3.12 -m guard"
    )


def test_windows_is_refused_in_one_sentence():
    with pytest.raises(bootstrap.Refusal, match="inside WSL"):
        bootstrap.check_machine((3, 12), "Windows")


@pytest.mark.parametrize("version", [(3, 11), (3, 13)])
def test_python_that_fits_is_taken(version: tuple[int, int]):
    bootstrap.check_machine(version, "Linux")


def test_python_without_a_new_pip_gives_the_environment_its_own(clone: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "pip_can_install_elsewhere", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "ensurepip")
    assert bootstrap.find_pip() == [str(clone / ".venv/bin/python"), "-m", "pip"]


def test_full_disk_is_refused_before_anything_is_made(clone: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "FREE_BYTES", 2**60)
    with pytest.raises(
        bootstrap.Refusal, match=r"has \d+\.\d GiB free and the installation needs 1073741824"
    ):
        bootstrap.build("demo")
    assert not (clone / ".venv").exists()


def test_libraries_that_are_there_are_not_missed():
    assert bootstrap.missing_libraries() == []


def test_missing_library_is_installed_as_root_on_debian(
    clone: Path, script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    lacking_a_library(monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(bootstrap, "APT_LISTS", clone)
    script("apt-get", f'echo "$@" >> {clone}/apt.log')
    with pytest.raises(bootstrap.Refusal, match=r"lacks libabsent\.so\.7"):
        bootstrap.check_libraries()
    assert (clone / "apt.log").read_text().splitlines() == [
        "update",
        "install --no-install-recommends -y libabsent7",
    ]
    assert "guard: apt-get install --no-install-recommends -y libabsent7" in capsys.readouterr().err


def test_stale_package_lists_are_fetched_anew(clone: Path, script: Script, monkeypatch: pytest.MonkeyPatch):
    lacking_a_library(monkeypatch)
    monkeypatch.setattr(bootstrap, "APT_LISTS", clone)
    (clone / "x_Packages.lz4").touch()
    script("apt-get", f'echo "$1" >> {clone}/apt.log; [ "$1" = update ]')
    with pytest.raises(bootstrap.Refusal, match="run it yourself: apt-get install"):
        bootstrap.install_with_apt(["libabsent.so.7"])
    assert (clone / "apt.log").read_text().split() == ["install", "update", "install"]


@pytest.mark.parametrize(
    ("program", "mend"),
    [
        ("apt-get", "sudo apt-get install --no-install-recommends -y libabsent7"),
        ("dnf", "sudo dnf install -y absent"),
        ("true", "install the packages of your system that hold them"),
    ],
)
def test_missing_library_is_named_with_the_command_for_others(
    program: str, mend: str, script: Script, monkeypatch: pytest.MonkeyPatch
):
    lacking_a_library(monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    script(program, "exit 0")
    with pytest.raises(bootstrap.Refusal) as told:
        bootstrap.check_libraries()
    assert str(told.value) == f"the system lacks libabsent.so.7; {mend}"


def test_newer_debian_calls_glib_by_its_newer_name(script: Script):
    script("apt-cache", '[ "$2" = libglib2.0-0t64 ]')
    assert bootstrap.debian_packages(["libglib-2.0.so.0", "libEGL.so.1"]) == ["libegl1", "libglib2.0-0t64"]
    script("apt-cache", "exit 100")
    assert bootstrap.debian_packages(["libglib-2.0.so.0", "libgthread-2.0.so.0"]) == ["libglib2.0-0"]


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ("pip 22.3 from /x (python 3.11)", True),
        ("pip 26.0.1 from /x", True),
        ("pip 22.2.9 from /x", False),
        ("No module named pip", False),
    ],
)
def test_pip_must_be_able_to_install_elsewhere(
    said: str, script: Script, monkeypatch: pytest.MonkeyPatch, *, fits: bool
):
    monkeypatch.setattr(sys, "executable", str(script("python", f'echo "{said}"')))
    assert bootstrap.pip_can_install_elsewhere() == fits


def test_python_without_pip_and_ensurepip_is_refused(clone: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "pip_can_install_elsewhere", lambda: False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(bootstrap.Refusal, match=r"needs pip 22\.3 or newer; on Debian: sudo apt-get install"):
        bootstrap.build("demo")
    assert not (clone / ".venv").exists()


def test_environment_is_unfinished_until_its_extra_is_installed(
    clone: Path, script: Script, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bootstrap, "pip_can_install_elsewhere", lambda: True)
    pip = bootstrap.find_pip()
    assert pip[-2:] == ["--python", str(clone / ".venv/bin/python")]
    bootstrap.make_environment(pip)
    assert not bootstrap.installed("demo")
    bootstrap.install([str(script("pip", "echo 'Downloading big-1.2-py3.whl (82.1 MB)'"))], "demo")
    assert not bootstrap.installed("demo")
    bootstrap.STAMP.write_text(bootstrap.digest("demo"))
    assert bootstrap.installed("demo")
    assert not bootstrap.installed("test")


def test_installation_says_large_downloads_only(
    clone: Path, script: Script, capsys: pytest.CaptureFixture[str]
):
    lines = "Downloading big-1.2-py3.whl (82.1 MB)\nDownloading small-1.0-py3.whl (9.1 kB)\n"
    bootstrap.install(
        [str(script("pip", f"echo '{lines}Installing collected packages: big, small'"))], "demo"
    )
    assert clone.exists()
    assert (
        capsys.readouterr().err
        == "guard: downloading big-1.2 (82.1 MB)\nguard: unpacking 2 packages; this takes about a minute\n"
    )


def test_failed_installation_shows_why_and_stays_unfinished(
    clone: Path, script: Script, capsys: pytest.CaptureFixture[str]
):
    (clone / ".venv").mkdir()
    bootstrap.STAMP.write_text(bootstrap.UNFINISHED)
    with pytest.raises(bootstrap.Refusal, match="the installation failed"):
        bootstrap.install([str(script("pip", "echo 'ERROR: no network'; exit 1"))], "demo")
    assert "ERROR: no network" in capsys.readouterr().err
    assert not bootstrap.installed("demo")


def test_interrupted_installation_is_made_anew(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (clone / ".venv" / "half").mkdir(parents=True)
    bootstrap.STAMP.write_text(bootstrap.UNFINISHED)
    monkeypatch.setattr(bootstrap, "FREE_BYTES", 0)
    monkeypatch.setattr(bootstrap, "pip_can_install_elsewhere", lambda: True)
    monkeypatch.setattr(bootstrap, "install", lambda _pip, _extra: None)
    bootstrap.build("demo")
    assert "it is made anew" in capsys.readouterr().err
    assert not (clone / ".venv" / "half").exists()
    assert bootstrap.installed("demo")


def test_interruption_at_any_moment_is_seen_as_ours(clone: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "run_quietly", lambda _command: interrupt())

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bootstrap.make_environment(["python3"])
    assert bootstrap.STAMP.read_text() == bootstrap.UNFINISHED
    assert not bootstrap.foreign_environment_serves("demo")
    assert not (clone / ".venv-old").exists()


def test_whole_environment_is_completed_not_made_anew(clone: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "pip_can_install_elsewhere", lambda: True)
    monkeypatch.setattr(bootstrap, "FREE_BYTES", 0)
    monkeypatch.setattr(bootstrap, "install", lambda _pip, _extra: None)
    bootstrap.build("demo")
    (clone / ".venv" / "kept").touch()
    bootstrap.build("test")
    assert (clone / ".venv" / "kept").exists()
    assert bootstrap.installed("test")


def test_changed_dependencies_ask_for_a_new_installation(clone: Path):
    (clone / ".venv").mkdir()
    bootstrap.STAMP.write_text(bootstrap.digest("test"))
    assert bootstrap.installed("test")
    assert bootstrap.installed("demo")
    (clone / "pyproject.toml").write_text("[project]\ndependencies = ['more']\n")
    assert not bootstrap.installed("demo")


def test_environment_of_somebody_else_is_used_or_left_alone(clone: Path, script: Script):
    assert not bootstrap.foreign_environment_serves("demo")
    python = clone / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(script("python", "exit 0"))
    assert bootstrap.foreign_environment_serves("demo")
    script("python", "exit 1")
    with pytest.raises(bootstrap.Refusal, match="was not made by this command"):
        bootstrap.foreign_environment_serves("demo")


@pytest.mark.usefixtures("became")
def test_test_command_becomes_pytest_with_the_further_arguments(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GUARD_BOOTSTRAPPED", "1")
    monkeypatch.chdir(Path.cwd())
    with pytest.raises(Became) as became:
        bootstrap.start(["test", "-k", "mailbox"])
    assert became.value.args[1][1:] == ["-m", "pytest", "-k", "mailbox"]


@pytest.mark.usefixtures("became")
def test_bare_interpreter_enters_the_environment_with_the_same_arguments(
    clone: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GUARD_BOOTSTRAPPED", raising=False)
    monkeypatch.setattr(bootstrap, "has_modules", lambda _extra: False)
    (clone / ".venv").mkdir()
    bootstrap.STAMP.write_text(bootstrap.digest("demo"))
    with pytest.raises(Became) as became:
        bootstrap.start(["demo", "--json"])
    program, command, env = became.value.args
    assert program == str(clone / ".venv/bin/python")
    assert command[1:] == ["-m", "guard", "demo", "--json"]
    assert env["GUARD_BOOTSTRAPPED"] == "1"


def test_installed_package_without_its_extra_names_the_command(clone: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GUARD_BOOTSTRAPPED", raising=False)
    monkeypatch.setattr(bootstrap, "has_modules", lambda _extra: False)
    (clone / "pyproject.toml").unlink()
    with pytest.raises(bootstrap.Refusal, match=r"pip install 'call-guard\[demo\]'"):
        bootstrap.start(["demo"])


def test_help_installs_nothing(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("GUARD_BOOTSTRAPPED", raising=False)
    monkeypatch.setattr(bootstrap, "has_modules", lambda _extra: False)
    assert bootstrap.start(["--help"]) == 0
    assert "python3 -m guard demo" in capsys.readouterr().out
    assert not (clone / ".venv").exists()


def test_refusal_is_one_line_and_exit_2(clone: Path, tmp_path: Path):
    """In a process of its own: a library that no system has."""
    assert clone == tmp_path
    code = (
        "import sys, guard.__main__ as b; b.has_modules = lambda extra: False; "
        "b.LIBRARIES = {'libabsent.so.7': ('x', 'x')}; b.shutil.which = lambda name: None; "
        "sys.argv = ['guard', 'demo']; sys.exit(b.main())"
    )
    env = {name: value for name, value in os.environ.items() if name != "GUARD_BOOTSTRAPPED"}
    root = Path(__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("guard: the system lacks libabsent.so.7; install")
    assert "Traceback" not in result.stderr
