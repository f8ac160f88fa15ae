"""The one table of detectors: which cue is judged by what."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from guard.core.types import SECOND, Cue
from guard.detectors.base import Detector
from guard.detectors.blink import BlinkDetector
from guard.detectors.motion import MotionDetector
from guard.detectors.network import NetworkDetector
from guard.detectors.panel import Panel
from guard.inference.engine import Engine
from guard.inference.manifest import Manifest

WEIGHT_FREE: dict[Cue, Callable[[], Detector]] = {
    Cue.BLINK: BlinkDetector,
    Cue.MOTION: MotionDetector,
}
"""Cues that need no model."""

TASK_OF: dict[Cue, str] = {
    Cue.FACE_MANIPULATION: "manipulation",
    Cue.FACE_PRESENTATION: "presentation",
    Cue.SECOND_MANIPULATION: "manipulation",
    Cue.SECOND_PRESENTATION: "presentation",
}
"""Learned cues, and the task that their engine's manifest must state."""


SECOND_OF: dict[str, Cue] = {TASK_OF[cue]: cue for cue in SECOND}
"""The cue that a further engine for a task speaks in."""


class LoadedNetwork(Protocol):
    """An active engine with its manifest; ``guard.inference.open.LoadedEngine`` is one."""

    @property
    def manifest(self) -> Manifest:
        """The facts of the model."""

    @property
    def engine(self) -> Engine:
        """The model, active."""


Noted: TypeAlias = Callable[[Detector, str], Detector]
"""Wraps the detector of an engine, given the engine's name, to note what it says; called in their order."""


def build_detectors(
    networks: Sequence[tuple[Cue, LoadedNetwork]], noted: Noted = lambda detector, _: detector
) -> tuple[Detector, ...]:
    """A fresh set of detectors for one face track: one for each learned cue given, then all weight-free cues.

    Several engines of one cue give one opinion together. The engines are shared between face tracks, the
    detectors are not. Each must be for the task of its cue (``TASK_OF``): whoever opens engines by the names
    that somebody gave checks that, and can say which name is wrong.
    """
    judges: dict[Cue, list[Detector]] = {}
    for cue, loaded in networks:
        detector = NetworkDetector(loaded.engine, loaded.manifest, cue)
        judges.setdefault(cue, []).append(noted(detector, loaded.manifest.engine.name))
    learned = (several[0] if len(several) == 1 else Panel(cue, several) for cue, several in judges.items())
    return (*learned, *(build() for build in WEIGHT_FREE.values()))
