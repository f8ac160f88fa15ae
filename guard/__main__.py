"""``python3 -m guard``: makes its own environment on the first start, then runs the command inside it.

Standard library only, and readable by Python 3.8: every machine gets a sentence instead of a traceback.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)
"""Versions of Python that call-guard runs on."""

FREE_BYTES = 3 * 1024**3
"""What the environment and its download need, generously."""

PIP = (22, 3)
"""First pip that can install into another environment."""

MARKS = {
    "demo": ("aiortc", "mediapipe", "onnxruntime", "typer", "amqtt", "skvideo", "skimage"),
    "test": (
        "aiortc",
        "mediapipe",
        "onnxruntime",
        "typer",
        "amqtt",
        "pytest",
        "ruff",
        "mypy",
        "importlinter",
    ),
}
"""Modules whose presence says that an environment has what the extra needs."""

LIBRARIES = {
    "libEGL.so.1": ("libegl1", "libglvnd-egl"),
    "libGLESv2.so.2": ("libgles2", "libglvnd-gles"),
    "libGL.so.1": ("libgl1", "libglvnd-glx"),
    "libglib-2.0.so.0": ("libglib2.0-0", "glib2"),
    "libgthread-2.0.so.0": ("libglib2.0-0", "glib2"),
}
"""Libraries of the system that MediaPipe and its OpenCV load: file, Debian's package, Fedora's package."""

APT_LISTS = Path("/var/lib/apt/lists")

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "guard-installed"
"""Written by us only: UNFINISHED until all is there, then the extra and a digest of what it rests on."""

UNFINISHED = "installing"
OLD_VENV = ROOT / ".venv-old"

USAGE = """call-guard: a real-time guard for video calls.

  python3 -m guard demo    three callers: a live one, a photo, a face swap; their alerts over MQTT
  python3 -m guard test    the test suite; further arguments go to pytest
  python3 -m guard serve   a node: WHIP in, WHEP out, alerts over MQTT (--dev to try it)
  python3 -m guard doctor  what this machine can run, and why not
  python3 -m guard publish, watch, attach, analyse, token, config, engines, models, train   see README.md

The first start makes the environment .venv here and installs into it; that takes a few minutes.
"""


class Refusal(Exception):  # noqa: N818 -- a sentence for the person, not a fault of ours
    """We cannot go on; the text says why and what mends it."""


def say(text: str) -> None:
    """One line of progress, apart from what a command prints for programs."""
    print(f"guard: {text}", file=sys.stderr, flush=True)


def run_quietly(command: list[str], env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run to the end; standard output and error together are in ``stdout``."""
    return subprocess.run(
        command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


def runs(python: str) -> bool:
    """Whether the interpreter starts at all; some names on the PATH only forward to others."""
    return run_quietly([python, "-c", ""]).returncode == 0


def check_machine(
    version: tuple[int, ...] = tuple(sys.version_info[:2]), system: str = platform.system()
) -> None:
    """Refuse a Python or a system on which call-guard does not run."""
    if system == "Windows":
        raise Refusal("call-guard runs on Linux and macOS; on Windows start it inside WSL (wsl --install)")
    if OLDEST <= version <= NEWEST:
        return
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = next((name for name in names if shutil.which(name) and runs(name)), None)
    mend = f"this machine has one: {found} -m guard" if found else "install one, for example python3.12"
    raise Refusal(f"call-guard needs Python 3.11 to 3.13, this is {version[0]}.{version[1]}; {mend}")


def has_modules(extra: str) -> bool:
    """Whether this interpreter already has what the extra needs."""
    return all(importlib.util.find_spec(name) for name in MARKS[extra])


def missing_libraries() -> list[str]:
    """Files of LIBRARIES that the system's loader does not find."""
    missing = []
    for name in LIBRARIES if platform.system() == "Linux" else ():
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def debian_packages(missing: list[str]) -> list[str]:
    """Packages that hold the files; newer releases call glib's by another name."""
    packages = sorted({LIBRARIES[name][0] for name in missing})
    if "libglib2.0-0" in packages and run_quietly(["apt-cache", "show", "libglib2.0-0t64"]).returncode == 0:
        packages[packages.index("libglib2.0-0")] = "libglib2.0-0t64"
    return packages


def mending_command(missing: list[str]) -> str:
    """The one command that installs the files, where this system's package manager is known."""
    if shutil.which("apt-get"):
        return f"sudo apt-get install --no-install-recommends -y {' '.join(debian_packages(missing))}"
    if shutil.which("dnf"):
        return f"sudo dnf install -y {' '.join(sorted({LIBRARIES[name][1] for name in missing}))}"
    return "install the packages of your system that hold them"


def install_with_apt(missing: list[str]) -> None:
    """Install the packages as root; fetch the package lists first where there are none."""
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    if not any(APT_LISTS.glob("*_Packages*")):
        say("apt-get update (there are no package lists yet)")
        run_quietly(["apt-get", "update"], env)
    packages = debian_packages(missing)
    command = ["apt-get", "install", "--no-install-recommends", "-y", *packages]
    say(" ".join(command))
    result = run_quietly(command, env)
    if result.returncode:
        say("apt-get update (the package lists are stale)")
        run_quietly(["apt-get", "update"], env)
        result = run_quietly(command, env)
    if result.returncode:
        print(result.stdout[-2000:], file=sys.stderr)
        raise Refusal(f"the system libraries could not be installed; run it yourself: {' '.join(command)}")


def check_libraries() -> None:
    """See to it that the system has the libraries, as root on Debian by installing them."""
    missing = missing_libraries()
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        say(f"the system lacks {', '.join(missing)}, which MediaPipe and OpenCV load")
        install_with_apt(missing)
        missing = missing_libraries()
    if missing:
        raise Refusal(f"the system lacks {', '.join(missing)}; {mending_command(missing)}")


def check_disk() -> None:
    """Refuse to begin what would fill the disk."""
    free = shutil.disk_usage(str(ROOT)).free
    if free < FREE_BYTES:
        raise Refusal(
            f"{ROOT} has {free / 1024**3:.1f} GiB free and the installation needs "
            f"{FREE_BYTES / 1024**3:.0f}; free some, or clone to another disk"
        )


def pip_can_install_elsewhere() -> bool:
    """Whether this Python has a pip with ``--python``."""
    found = re.match(r"pip (\d+)\.(\d+)", run_quietly([sys.executable, "-m", "pip", "--version"]).stdout)
    return found is not None and (int(found[1]), int(found[2])) >= PIP


def find_pip() -> list[str]:
    """The command that will install into .venv; refuse where there is none."""
    if pip_can_install_elsewhere():
        return [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    if importlib.util.find_spec("ensurepip"):
        return [str(PYTHON), "-m", "pip"]
    raise Refusal("call-guard needs pip 22.3 or newer; on Debian: sudo apt-get install -y python3-pip")


def make_environment(pip: list[str]) -> None:
    """Make .venv from nothing, with a pip of its own only where that is the one to install with."""
    shutil.rmtree(str(OLD_VENV), ignore_errors=True)
    if VENV.exists():
        VENV.rename(OLD_VENV)
        shutil.rmtree(str(OLD_VENV))
    VENV.mkdir()
    STAMP.write_text(UNFINISHED)
    options = [] if pip[0] == str(PYTHON) else ["--without-pip"]
    result = run_quietly([sys.executable, "-m", "venv", *options, str(VENV)])
    if result.returncode:
        raise Refusal(f"the environment {VENV} could not be made: {result.stdout.strip()[-300:]}")


def can_be_completed() -> bool:
    """Whether .venv is ours and whole, of this Python, and only lacks what was added since."""
    if not STAMP.exists() or STAMP.read_text() == UNFINISHED or not PYTHON.exists():
        return False
    return run_quietly([str(PYTHON), "-c", "import sys; print(sys.version)"]).stdout.strip() == sys.version


def install(pip: list[str], extra: str) -> None:
    """Install the clone with its extra into .venv; say each large download."""
    command = [*pip, "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--editable", f"{ROOT}[{extra}]"]
    said: list[str] = []
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout or ():
            said.append(line.rstrip())
            download = re.match(r"\s*Downloading (\w+-[\d.]+)\S* \((\d{2,}\S* MB)\)", line)
            if download:
                say(f"downloading {download[1]} ({download[2]})")
            elif line.startswith("Installing collected packages"):
                say(f"unpacking {line.count(',') + 1} packages; this takes about a minute")
    if process.returncode:
        print("\n".join(said[-15:]), file=sys.stderr)
        raise Refusal("the installation failed (pip's last lines are above); mend that and start again")


def digest(extra: str) -> str:
    """What the installation rests on; it is made anew when this changes."""
    text = f"{extra} {ROOT} {sys.version} ".encode() + (ROOT / "pyproject.toml").read_bytes()
    return f"{extra} {hashlib.sha256(text).hexdigest()}"


def installed(extra: str) -> bool:
    """Whether .venv is ours, whole, and holds the extra; the test extra holds the demo extra."""
    with contextlib.suppress(OSError):
        return STAMP.read_text() in {digest(extra), digest("test")}
    return False


def foreign_environment_serves(extra: str) -> bool:
    """Whether a .venv that somebody else made has what is needed; refuse to touch it when it has not."""
    if STAMP.exists() or not VENV.exists():
        return False
    probe = f"import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, {MARKS[extra]!r})))"
    if PYTHON.exists() and run_quietly([str(PYTHON), "-c", probe]).returncode == 0:
        return True
    raise Refusal(
        f"{VENV} was not made by this command and lacks what is needed; move it away, "
        f"or install into it: {sys.executable} -m pip --python {VENV} install -e '{ROOT}[{extra}]'"
    )


def build(extra: str) -> None:
    """Check everything, then make .venv and install into it, one start at a time."""
    import fcntl  # noqa: PLC0415 -- Windows has none and was refused before

    check_disk()
    pip = find_pip()
    check_libraries()
    with (ROOT / "pyproject.toml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed(extra):  # by another start, while this one waited
            return
        begin = time.monotonic()
        if can_be_completed():
            say(f"installing what call-guard[{extra}] needs further into {VENV}")
            STAMP.write_text(UNFINISHED)
        else:
            if STAMP.exists():
                say("the installation that is there is unfinished or of another Python; it is made anew")
            say(f"making {VENV} and installing call-guard[{extra}] into it: about 1.5 GB, a few minutes")
            make_environment(pip)
        install(pip, extra)
        STAMP.write_text(digest(extra))
        say(f"installed in {time.monotonic() - begin:.0f} s")


def enter(arguments: list[str]) -> None:
    """Become the same command inside .venv."""
    env = dict(os.environ, GUARD_BOOTSTRAPPED="1")
    os.execve(str(PYTHON), [str(PYTHON), "-m", "guard", *arguments], env)


def hand_over(arguments: list[str]) -> int:
    """Run the command; everything it needs is here."""
    if arguments[:1] == ["test"]:
        if not (ROOT / "tests").is_dir():
            raise Refusal(
                "the tests come with the clone, not with the installed package; run this in a clone"
            )
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments[1:]])
    from guard.cli.main import main as run_command  # noqa: PLC0415 -- needs the environment

    run_command()
    return 0


def start(arguments: list[str]) -> int:
    """Check, install what is missing, and run."""
    if os.environ.get("GUARD_BOOTSTRAPPED") == "1":
        return hand_over(arguments)
    check_machine()
    extra = "test" if arguments[:1] == ["test"] else "demo"
    if has_modules(extra):
        return hand_over(arguments)
    if not (ROOT / "pyproject.toml").exists():
        raise Refusal(f"this installation lacks the extra: pip install 'call-guard[{extra}]'")
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(USAGE, end="")
        return 0
    if installed(extra) or foreign_environment_serves(extra):
        check_libraries()
    else:
        build(extra)
    enter(arguments)
    return 0


def main() -> int:
    """Exit 2 with one sentence where we cannot go on."""
    try:
        return start(sys.argv[1:])
    except Refusal as refusal:
        say(str(refusal))
        return 2
    except PermissionError as error:
        say(f"{error.filename} cannot be written; clone to a folder of your own")
        return 2
    except KeyboardInterrupt:
        say("stopped; an unfinished installation is made anew at the next start")
        return 130


if __name__ == "__main__":
    sys.exit(main())
