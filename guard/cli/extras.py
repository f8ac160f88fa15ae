"""What an extra of the package needs, and the one command that installs it here."""

import importlib.util
import shlex
import sys

from guard.core.errors import EnvironmentProblem
from guard.inference.locate import PACKAGE

MODULES = {"models": ("onnx",), "train": ("torch", "onnx")}
"""Modules whose presence says that an extra is installed."""


def require_extra(name: str, to: str) -> None:
    """Raise EnvironmentProblem with the command that installs the extra, unless it is here."""
    missing = [module for module in MODULES[name] if importlib.util.find_spec(module) is None]
    if missing:
        msg = f"expected {' and '.join(missing)} to {to}, got none; install: {install_command(name)}"
        raise EnvironmentProblem(msg)


def install_command(name: str) -> str:
    """For this interpreter, and for a clone or an installed package."""
    clone = PACKAGE.parent / "pyproject.toml"
    what = f"-e {shlex.quote(f'{clone.parent}[{name}]')}" if clone.exists() else f"'call-guard[{name}]'"
    python = shlex.quote(sys.executable)
    if importlib.util.find_spec("pip"):
        return f"{python} -m pip install {what}"
    return f"python3 -m pip --python {python} install {what}"  # our own .venv has no pip
