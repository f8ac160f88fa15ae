"""Python, the system, cores, memory."""

import os
import platform
import re
import sys
from importlib.metadata import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet

from guard.cli.doctor.check import Check, Checks, Level, good

AREA = "machine"
DISTRIBUTION = "call-guard"

CPU_FILE = Path("/proc/cpuinfo")
MEMORY_FILE = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")

TELLING_FLAGS = ("avx", "avx2", "avx512f", "avx512_vnni", "amx_tile", "asimd", "asimddp", "sve")
"""Instructions that decide how fast nets run."""

WANTED_FLAG = {"x86_64": "avx2", "aarch64": "asimd"}
"""Without it nets run on the slow path."""

LEAST_CORES = 2
LEAST_MEMORY = 2 * 1024**3
"""The node alone takes 0.35 GB (resident, on Debian 12 with two cores); each call adds to it."""


def machine(
    cpu_file: Path = CPU_FILE, memory_file: Path = MEMORY_FILE, cgroup: Path = CGROUP, arch: str = ""
) -> Checks:
    """What the machine is."""
    yield _python()
    yield _system()
    yield _instructions(_read(cpu_file), arch or platform.machine())
    yield _cores(cgroup)
    yield _memory(_read(memory_file), cgroup)


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()}"
    wanted = metadata(DISTRIBUTION)["Requires-Python"]
    fits = SpecifierSet(wanted).contains(platform.python_version(), prereleases=True)
    if fits:
        return good(AREA, "Python", found)
    return Check(AREA, "Python", Level.FAILED, found, wanted, "make the environment with such a Python")


def _system() -> Check:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        name = platform.system()
    found = f"{name}, {platform.system()} {platform.release()}, {platform.machine()}"
    if sys.platform in {"linux", "darwin"}:
        return good(AREA, "system", found)
    return Check(AREA, "system", Level.FAILED, found, "Linux or macOS", "on Windows use WSL (wsl --install)")


def _instructions(cpus: str, arch: str) -> Check:
    model = re.search(r"^model name\s*:\s*(.+)$", cpus, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpus, re.MULTILINE)
    name = model[1] if model else arch
    if flags is None:
        return good(AREA, "CPU", f"{name} (instructions not known here)")
    here = set(flags[1].split())
    found = f"{name}: {' '.join(flag for flag in TELLING_FLAGS if flag in here) or 'none of the fast ones'}"
    wanted = WANTED_FLAG.get(arch)
    if wanted is None or wanted in here:
        return good(AREA, "CPU", found)
    mend = "expect fewer calls; a virtual machine may be given the host's CPU model"
    return Check(AREA, "CPU", Level.WARNING, found, wanted, mend)


def _cores(cgroup: Path) -> Check:
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota = re.fullmatch(r"(\d+) (\d+)\s*", _read(cgroup / "cpu.max"))
    if quota:
        cores = min(cores, int(quota[1]) / int(quota[2]))
    found = f"{cores:g} usable" + (" (limit of the container)" if quota else "")
    if cores >= LEAST_CORES:
        return good(AREA, "cores", found)
    mend = "expect few calls at a time; lower analysis.fps"
    return Check(AREA, "cores", Level.WARNING, found, f"{LEAST_CORES} or more", mend)


def _memory(memory: str, cgroup: Path) -> Check:
    free = re.search(r"^MemAvailable:\s*(\d+) kB$", memory, re.MULTILINE)
    if free is None:
        return good(AREA, "memory", "not known here")
    here = int(free[1]) * 1024
    limit = re.fullmatch(r"(\d+)\s*", _read(cgroup / "memory.max"))
    if limit:
        here = min(here, int(limit[1]))
    found = f"{here / 1024**3:.1f} GiB available" + (" (limit of the container)" if limit else "")
    if here >= LEAST_MEMORY:
        return good(AREA, "memory", found)
    expected = f"{LEAST_MEMORY / 1024**3:.0f} GiB"
    return Check(AREA, "memory", Level.WARNING, found, expected, "lower media.sessions, or give it more")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
