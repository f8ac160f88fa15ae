"""When frames come: a camera's clock trembles, software is late now and then, a file is exact."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from guard.core.units import Seconds

_SOONEST: Seconds = 0.001


@dataclass(frozen=True, slots=True)
class Timing:
    """How far the steps between frames are from even; all 0 is a file's clock."""

    skew: float = 0.0
    """Largest error of the clock's rate, a share."""
    tremble: Seconds = 0.0
    """Standard deviation of a frame's moment."""
    late: float = 0.0
    """Share of frames that come late."""
    lag: Seconds = 0.0
    """Mean lag of those."""

    def steps(self, fps: float, rng: np.random.Generator) -> Iterator[Seconds]:
        """Seconds from each frame to the next, for ever; a late frame does not delay those after it."""
        period = (1 + rng.uniform(-self.skew, self.skew)) / fps
        error: Seconds = 0.0
        while True:
            fresh = float(np.clip(rng.normal(0, self.tremble), -0.3 * period, 0.3 * period))
            if rng.random() < self.late:
                fresh += float(rng.exponential(self.lag))
            step = max(_SOONEST, period + fresh - error)
            error += step - period
            yield step


CAMERA = Timing(skew=0.002, tremble=0.0015, late=0.004, lag=0.012)
SOFTWARE = Timing(skew=0.0005, tremble=0.004, late=0.05, lag=0.02)
"""A virtual camera behind a program that needs its time for each frame."""
FILE = Timing()
