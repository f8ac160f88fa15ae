"""The Detector protocol."""

from typing import Protocol

from guard.core.types import Cue, FaceView, Score
from guard.core.units import Seconds


class Detector(Protocol):
    """One judge for one face track. Never awaits, never reads a clock, never logs per frame."""

    @property
    def cue(self) -> Cue:
        """What this detector looks at; a class or instance attribute will do."""

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        """Take one face picture; return a score when there is an opinion, else None."""

    def reset(self) -> None:
        """Forget everything: the track was cut."""
