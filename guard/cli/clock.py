"""The one place where the date is read."""

from datetime import UTC, datetime


def wall() -> datetime:
    """Date and time, UTC."""
    return datetime.now(UTC)  # noqa: TID251 -- the edge where the date is read
