"""One finding about the machine, and how it is made without ever ending the examination."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum, unique
from typing import TypeAlias

from guard.core.errors import GuardError

TROUBLES = (
    GuardError,
    AttributeError,
    ImportError,
    OSError,
    RuntimeError,
    ValueError,
    subprocess.SubprocessError,
)
"""What a broken installation makes a library raise; anything else is a fault of ours."""


@unique
class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It runs, with less than could be."""
    FAILED = "failed"
    """``guard serve`` or an engine will not run."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, what was expected, and how to mend it."""

    area: str
    name: str
    level: Level
    found: str
    expected: str = ""
    mend: str = ""

    def fields(self) -> dict[str, str]:
        """Plain values for JSON."""
        return asdict(self)


Checks: TypeAlias = Iterator[Check]


def good(area: str, name: str, found: str) -> Check:
    """A finding that is as it should be."""
    return Check(area, name, Level.OK, found)


def trial(
    area: str, name: str, work: Callable[[], str], *, level: Level = Level.FAILED, mend: str = ""
) -> Check:
    """Good with the words that ``work`` returns; of ``level`` with the words of what it raises."""
    try:
        return good(area, name, work())
    except TROUBLES as error:
        return Check(area, name, level, str(error) or type(error).__name__, mend=mend)


def examined(area: str, look: Callable[[], Checks]) -> Checks:
    """The findings of one part, and where it breaks off, that it did."""
    try:
        yield from look()
    except TROUBLES as error:
        yield Check(area, "examination", Level.FAILED, f"{type(error).__name__}: {error}")
