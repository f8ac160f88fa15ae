"""The Detector protocol."""

from typing import ClassVar, Protocol

from guard.core.types import Cue, FaceView, Score
from guard.core.units import Seconds


class Detector(Protocol):
    """One judge for one face track. Never awaits, never reads a clock, never logs per frame."""

    cue: ClassVar[Cue]

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        """Take one face picture; return a score when there is an opinion, else None."""

    def reset(self) -> None:
        """Forget everything: the track was cut."""
