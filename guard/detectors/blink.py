"""Blinks: living eyes close every few seconds, a photo's never do; replays and swaps blink too."""

from typing import ClassVar, Final

import numpy as np

from guard.core.blendshapes import blendshape_columns
from guard.core.types import Cue, FaceView, Reason, Score
from guard.core.units import Seconds
from guard.core.windows import TimedWindow

BLENDSHAPES_USED: Final = ("eyeBlinkLeft", "eyeBlinkRight")
_COLUMNS: Final = blendshape_columns(*BLENDSHAPES_USED)

BASELINE_S: Final = 6.0
"""The open eye is the lower quartile of so much of the track: eyes are open most of the time."""

BASELINE_SAMPLES: Final = 8
"""No eye is called closed before so many samples."""

CLOSES: Final = 0.22
"""Rise over the open eye at which it counts as closing; a hand-held photo's eyes rise by less than 0.16."""

OPENS: Final = 0.11
"""Rise under which it is open again."""

LONGEST_BLINK_S: Final = 0.8
"""Longer closures are glances down or closed eyes: no blink, though no photo either."""

LONGEST_STEP_S: Final = 0.3
"""Blinks last 0.1 to 0.4 s: time between looks further apart proves nothing and is not counted."""

BLINK_COUNTS_S: Final = 10.0
"""Watched time for which one blink speaks."""

SUSPICIOUS_AFTER_S: Final = 10.0
"""Watched time without a blink from which the lack of one is told."""

SURE_AFTER_S: Final = 24.0
"""Watched time without a blink from which it weighs most; some people blink this seldom."""

NO_BLINK_WEIGHTS: Final = (0.1, 0.5)
BLINKS_WEIGHT: Final = 0.2
"""Low: replayed and swapped faces blink too."""


class BlinkDetector:
    """Watches one face track's eyes; never decisive alone."""

    cue: ClassVar[Cue] = Cue.BLINK

    def __init__(self) -> None:
        self._closures: TimedWindow[float] = TimedWindow(BASELINE_S)
        self._last_at: Seconds | None = None
        self._closed_at: Seconds | None = None
        self._since_blink: Seconds = 0.0
        self.blinks = 0

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        """A low score after blinks, a rising one after long without; None while there is no opinion."""
        if not face.quality.good:
            self._last_at = None
            return None
        self._watch(float(face.blendshapes[_COLUMNS].mean()), now)
        if self._since_blink < BLINK_COUNTS_S and self.blinks:
            return Score(self.cue, 0.2, BLINKS_WEIGHT, Reason.BLINKS, self._since_blink)
        if self._since_blink >= SUSPICIOUS_AFTER_S:
            return self._no_blink()
        return None

    def reset(self) -> None:
        """Forget everything: the track was cut."""
        self._closures.clear()
        self._last_at = None
        self._closed_at = None
        self._since_blink = 0.0
        self.blinks = 0

    def _watch(self, closure: float, now: Seconds) -> None:
        step = now - self._last_at if self._last_at is not None else 0.0
        self._last_at = now
        if step <= LONGEST_STEP_S:
            self._since_blink += step
        else:
            self._closed_at = None
        self._closures.add(now, closure)
        if len(self._closures) >= BASELINE_SAMPLES:
            self._follow_lid(closure - float(np.quantile(self._closures.values(), 0.25)), now)

    def _follow_lid(self, rise: float, now: Seconds) -> None:
        if self._closed_at is None:
            if rise >= CLOSES:
                self._closed_at = now
        elif rise < OPENS:
            if now - self._closed_at <= LONGEST_BLINK_S:
                self.blinks += 1
            self._since_blink = 0.0  # lids moved, so this is no still picture, blink or not
            self._closed_at = None

    def _no_blink(self) -> Score:
        sure = min(1.0, (self._since_blink - SUSPICIOUS_AFTER_S) / (SURE_AFTER_S - SUSPICIOUS_AFTER_S))
        low, high = NO_BLINK_WEIGHTS
        return Score(
            self.cue, 0.7 + 0.1 * sure, low + (high - low) * sure, Reason.NO_BLINK, self._since_blink
        )
