"""The one table of detectors: which cue is judged by what."""

from collections.abc import Callable, Sequence
from typing import Protocol

from guard.core.errors import ConfigError
from guard.core.types import Cue
from guard.detectors.base import Detector
from guard.detectors.blink import BlinkDetector
from guard.detectors.motion import MotionDetector
from guard.detectors.network import NetworkDetector
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
}
"""Learned cues, and the task that their engine's manifest must state."""


class LoadedNetwork(Protocol):
    """An active engine with its manifest; ``guard.inference.open.LoadedEngine`` is one."""

    @property
    def manifest(self) -> Manifest:
        """The facts of the model."""

    @property
    def engine(self) -> Engine:
        """The model, active."""


def build_detectors(networks: Sequence[tuple[Cue, LoadedNetwork]]) -> tuple[Detector, ...]:
    """A fresh set of detectors for one face track: a network for each cue given, then all weight-free cues.

    The engines are shared between face tracks, the detectors are not.

    Raises:
        ConfigError: a cue is not a learned one, or the engine was made for another task.
    """
    learned: list[Detector] = [_network(cue, loaded) for cue, loaded in networks]
    return (*learned, *(build() for build in WEIGHT_FREE.values()))


def _network(cue: Cue, loaded: LoadedNetwork) -> Detector:
    task = loaded.manifest.engine.task
    if TASK_OF.get(cue) != task:
        msg = (
            f"cue {cue.value!r}: expected an engine for the task {TASK_OF.get(cue)!r}, "
            f"got {loaded.manifest.engine.name!r} for {task!r}; exchange the engines in [analysis]"
        )
        raise ConfigError(msg)
    return NetworkDetector(loaded.engine, loaded.manifest, cue)
