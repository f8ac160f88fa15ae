"""Where a frame's milliseconds went: one stamp a stage, percentiles over the newest frames."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from itertools import pairwise

from guard.core.units import Seconds


@unique
class Stage(StrEnum):
    """The points a frame passes, in their order."""

    ARRIVED = "arrived"
    DECODED = "decoded"
    TRACKED = "tracked"
    SCORED = "scored"
    DECIDED = "decided"
    PUBLISHED = "published"


TOTAL = "total"
"""Key of the time from a frame's first stamp to its last."""


class Stamps:
    """The monotonic time at which one frame passed each stage; stages may be left out."""

    __slots__ = ("_at",)

    def __init__(self, arrived_at: Seconds, decoded_at: Seconds | None = None) -> None:
        self._at = {Stage.ARRIVED: arrived_at}
        if decoded_at is not None:
            self._at[Stage.DECODED] = decoded_at

    def mark(self, stage: Stage, at: Seconds) -> None:
        """Note when the stage was passed."""
        self._at[stage] = at

    def since_arrival(self, stage: Stage) -> Seconds | None:
        """Seconds from arrival to ``stage``; None when it was not passed."""
        at = self._at.get(stage)
        return None if at is None else at - self._at[Stage.ARRIVED]

    def durations(self) -> dict[str, Seconds]:
        """Seconds spent to reach each stage from the one marked before it, and ``total``."""
        marked = [(stage, self._at[stage]) for stage in Stage if stage in self._at]
        spent: dict[str, Seconds] = {
            stage.value: at - before for (_, before), (stage, at) in pairwise(marked)
        }
        return spent | {TOTAL: marked[-1][1] - marked[0][1]}


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds of one stage over the newest frames."""

    p50: float
    p95: float
    count: int


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0..1) of the ordered values lie, nearest rank."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class StageTimes:
    """Durations of the newest ``capacity`` frames a stage (policy drop-oldest); any thread may call."""

    def __init__(self, capacity: int = 2048) -> None:
        self._capacity = capacity
        self._spent: dict[str, deque[Seconds]] = {}
        self._lock = threading.Lock()

    def add(self, stamps: Stamps) -> None:
        """Take in a frame whose journey is over."""
        durations = stamps.durations()
        with self._lock:
            for stage, spent in durations.items():
                self._spent.setdefault(stage, deque(maxlen=self._capacity)).append(spent)

    def summary(self) -> dict[str, Percentiles]:
        """Percentiles in milliseconds by stage, in the order of the stages, ``total`` last."""
        with self._lock:
            kept = {stage: sorted(spent) for stage, spent in self._spent.items()}
        return {
            stage: Percentiles(
                percentile(kept[stage], 0.50) * 1e3, percentile(kept[stage], 0.95) * 1e3, len(kept[stage])
            )
            for stage in (*Stage, TOTAL)
            if stage in kept
        }
