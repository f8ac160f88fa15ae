"""What the last seconds held: timed samples, how often, and whether it was too much."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from guard.core.units import Seconds

T = TypeVar("T")


class TimedWindow(Generic[T]):
    """Samples of the last ``span`` seconds, oldest first, at most ``capacity`` of them."""

    def __init__(self, span: Seconds, capacity: int = 1024) -> None:
        self.span = span
        self._samples: deque[tuple[Seconds, T]] = deque(maxlen=capacity)

    def add(self, at: Seconds, value: T) -> None:
        """Append a sample and forget those older than the span."""
        self._samples.append((at, value))
        self.forget_before(at - self.span)

    def forget_before(self, at: Seconds) -> None:
        """Drop every sample older than ``at``."""
        while self._samples and self._samples[0][0] < at:
            self._samples.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._samples.clear()

    def values(self) -> list[T]:
        """The samples without their times, oldest first."""
        return [value for _, value in self._samples]

    @property
    def duration(self) -> Seconds:
        """Time between the oldest and the newest sample."""
        return self._samples[-1][0] - self._samples[0][0] if self._samples else 0.0

    def __iter__(self) -> Iterator[tuple[Seconds, T]]:
        return iter(self._samples)

    def __len__(self) -> int:
        return len(self._samples)


EARLY = 0.25
"""Share of the interval by which a frame may come early; camera frames do not fall on our grid."""


class Sampling:
    """Which frames are taken where no more than ``fps`` a second are wanted.

    Keeps to a grid while frames come, and starts a new one after a pause.
    """

    def __init__(self, fps: float) -> None:
        self._interval = 1.0 / fps
        self._next_due: Seconds = float("-inf")

    def due(self, at: Seconds) -> bool:
        """Whether to take the frame at ``at``; asked once for each frame, in order."""
        if at < self._next_due - EARLY * self._interval:
            return False
        paused = at - self._next_due > self._interval
        self._next_due = (at if paused else self._next_due) + self._interval
        return True


class Pace:
    """How often something happened lately. One thread adds and asks."""

    def __init__(self, span: Seconds = 2.0, capacity: int = 64) -> None:
        self._span = span
        self._times: deque[Seconds] = deque(maxlen=capacity)

    def add(self, at: Seconds) -> None:
        """It happened; the newest ``capacity`` times are kept."""
        self._times.append(at)

    def rate(self, now: Seconds) -> float:
        """Times a second, over the last ``span`` seconds; 0 where it happened less than twice."""
        recent = [at for at in self._times if now - at <= self._span]
        length = recent[-1] - recent[0] if recent else 0.0
        return (len(recent) - 1) / length if length > 0 else 0.0


def held_maximum(samples: Sequence[tuple[Seconds, float]], span: Seconds) -> float | None:
    """The highest value that was reached and not left for at least ``span`` seconds.

    ``samples`` are (time, value), oldest first. None where the samples do not last for ``span``.
    """
    held: list[float] = []
    start = 0
    for end, (at, _) in enumerate(samples):
        while start + 1 < end and at - samples[start + 1][0] >= span:
            start += 1
        if at - samples[start][0] >= span:
            held.append(min(value for _, value in samples[start : end + 1]))
    return max(held, default=None)


class Bucket:
    """A token bucket: ``rate`` a second, never more than ``burst`` at once; full at first."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = self._level = burst
        self._at: Seconds = 0.0

    def take(self, amount: float, now: Seconds) -> bool:
        """Whether there is that much, which is then taken."""
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < amount:
            return False
        self._level -= amount
        return True
