"""Findings of the doctor, for its tests."""

from collections.abc import Iterable

from guard.cli.doctor.check import Check, Level


def named(checks: Iterable[Check], name: str) -> Check:
    """The one finding of this name."""
    (found,) = (one for one in checks if one.name == name)
    return found


def levels(checks: Iterable[Check]) -> set[Level]:
    """How bad they are."""
    return {one.level for one in checks}
