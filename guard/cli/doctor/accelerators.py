"""GPUs and other runtimes: what is there beside the CPU."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from guard.cli.doctor.check import Check, Checks, Level, good, trial
from guard.core.units import Seconds

AREA = "accelerators"
DRIVER_FILE = Path("/proc/driver/nvidia/version")
QUERY = ("--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader")
PATIENCE: Seconds = 20.0

RUNTIMES = {
    "TensorRT": ("tensorrt", "tensorrt"),
    "pycuda": ("pycuda", "pycuda.driver"),
    "OpenVINO": ("openvino", "openvino"),
}
"""By their names: the package to look for, and the module whose import shows that it works."""


def accelerators() -> Checks:
    """What is there; engines run on the CPU whatever is found, so nothing here can fail."""
    yield _nvidia()
    for name, (package, module) in RUNTIMES.items():
        yield _runtime(name, package, module)
    yield trial(AREA, "ONNX Runtime", _providers, level=Level.WARNING)


def _nvidia() -> Check:
    command = shutil.which("nvidia-smi")
    if command is None:
        if DRIVER_FILE.exists():
            mend = "in a container start it with `--gpus all`; else install the driver's tools"
            return Check(AREA, "NVIDIA GPU", Level.WARNING, "a driver without nvidia-smi", "both", mend)
        return good(AREA, "NVIDIA GPU", "none; engines run on the CPU")
    done = _run(command, *QUERY)
    if done.returncode or not done.stdout.strip():
        words = (done.stdout + done.stderr).strip()[-300:] or f"exit status {done.returncode}"
        return Check(AREA, "NVIDIA GPU", Level.WARNING, words, "a GPU", "see what nvidia-smi says")
    return good(AREA, "NVIDIA GPU", "; ".join(line.strip() for line in done.stdout.strip().splitlines()))


def _runtime(name: str, package: str, module: str) -> Check:
    """Import it in a process of its own, which a native library that does not fit may end."""
    if find_spec(package) is None:
        return good(AREA, name, "not installed")
    code = f"import {module}, {package}; print(getattr({package}, '__version__', 'version unknown'))"
    done = _run(sys.executable, "-c", code)
    if done.returncode == 0:
        return good(AREA, name, done.stdout.strip())
    words = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return Check(AREA, name, Level.WARNING, f"cannot be loaded: {words}", "a driver and libraries that fit")


def _providers() -> str:
    from guard.inference.onnxruntime import providers  # noqa: PLC0415 -- may be broken

    return f"{', '.join(providers())}; used: CPUExecutionProvider"


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 -- fixed words
