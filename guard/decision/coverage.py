"""How much of the last seconds could be judged, by time, and what stood in the way."""

from collections import Counter
from dataclasses import dataclass

from guard.core.types import Reason
from guard.core.units import Seconds
from guard.core.windows import TimedWindow

LONGEST_STEP: Seconds = 1.0
"""A frame speaks for the time since the one before it, but for no more than this; the rest is not judged."""

MOST_REASONS = 3
"""Reasons told, the one that took the most time first."""


@dataclass(frozen=True, slots=True)
class _Step:
    length: Seconds
    judged: bool
    reasons: tuple[Reason, ...]


class Coverage:
    """The judged share of a window. Time before the first frame counts as not judged."""

    def __init__(self, window_s: Seconds) -> None:
        self._window = window_s
        self._steps: TimedWindow[_Step] = TimedWindow(window_s + LONGEST_STEP, capacity=4096)
        self._newest: Seconds | None = None

    def add(self, now: Seconds, *, judged: bool, reasons: tuple[Reason, ...] = ()) -> Seconds:
        """Take one frame; return for how many seconds it speaks."""
        length = 0.0 if self._newest is None else min(max(now - self._newest, 0.0), LONGEST_STEP)
        self._newest = now
        self._steps.add(now, _Step(length, judged, reasons))
        return length

    def share(self, now: Seconds) -> float:
        """Judged share of the window that ends now, 0..1."""
        judged = sum(self._inside(at, step, now) for at, step in self._steps if step.judged)
        return min(judged / self._window, 1.0)

    def reasons(self, now: Seconds) -> tuple[Reason, ...]:
        """What kept us from judging in this window, by time, at most three."""
        lost: Counter[Reason] = Counter()
        for at, step in self._steps:
            if not step.judged and at > now - self._window:
                # a first frame has no length yet its reason should be told
                lost.update(dict.fromkeys(step.reasons, max(round(1000 * self._inside(at, step, now)), 1)))
        return tuple(reason for reason, _ in lost.most_common(MOST_REASONS))

    def _inside(self, at: Seconds, step: _Step, now: Seconds) -> Seconds:
        return max(at - max(at - step.length, now - self._window), 0.0)
