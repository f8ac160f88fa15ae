"""Units and identifiers: what a bare float or string means."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

Seconds: TypeAlias = float
"""A duration, or a point on the monotonic clock, in seconds."""

Clock: TypeAlias = Callable[[], Seconds]
"""Tells the monotonic time; handed in, so that tests own it."""

WallClock: TypeAlias = Callable[[], datetime]
"""Tells the date and time with its zone; handed in, so that tests own it."""

ParticipantId: TypeAlias = str
"""Made by us, ``[A-Za-z0-9_-]{1,64}``; display names never stand in its place."""

FaceId: TypeAlias = int
"""One face followed over time in one video track; never used again within a track."""
