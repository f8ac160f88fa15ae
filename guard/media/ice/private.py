"""Private names of aiortc and aioice: whether they are there, and ours in their place."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from guard.core.errors import EnvironmentProblem


def require(owner: object, name: str) -> None:
    """Raise EnvironmentProblem unless the installed aiortc and aioice have this private name."""
    if not hasattr(owner, name):
        place = getattr(owner, "__name__", type(owner).__name__)
        msg = (
            f"aiortc {version('aiortc')} with aioice {version('aioice')}: expected {place}.{name}, "
            f"got none; install the version this was written for: pip install 'aiortc>=1.16,<1.17'"
        )
        raise EnvironmentProblem(msg)


def replace(owner: object, name: str, ours: Callable[..., Any]) -> None:
    """Put ours in the place of a method, on this one object only."""
    require(owner, name)
    setattr(owner, name, ours)
