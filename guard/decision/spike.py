"""Sudden rise of a learned score over the face track's own past.

A net's answer drifts from person to person and camera to camera by more than from frame to frame. A swap that
is switched on mid-call therefore stands out against the same face a moment before, where its level alone
would not.
"""

from guard.core.units import Seconds

NEWEST_S: Seconds = 0.5
"""Half-life of the mean over the newest scores."""

BASELINE_S: Seconds = 8.0
"""Half-life of the baseline."""

LEARNING_S: Seconds = 6.0
"""Judged time before there is a baseline to compare with."""

GAIN = 4.0
"""Log-odds of evidence for each log-odd beyond the drift."""

CAP = 4.5
"""Most that a rise may say: a leap by over one log-odd beyond the drift may raise whatever the level says."""

FALL_S: Seconds = 30.0
"""Half-life with which the baseline follows a lower score: a short dip is not the face."""


class Spike:
    """Follows one learned cue of one face track, in log-odds."""

    def __init__(self, drift: float) -> None:
        """``drift``: log-odds by which a bona fide face wanders."""
        self._drift = drift
        self._newest = 0.0
        self._baseline = 0.0
        self._learnt: Seconds = 0.0

    def add(self, log_odds: float, step: Seconds) -> None:
        """Take a single frame's opinion that stands for ``step`` seconds; a doubtful one stands for less.

        While the score is risen the baseline stays: what stays on is still what was switched on.
        """
        if step <= 0.0:
            return
        self._learnt += step
        self._newest += _share(step, NEWEST_S) * (log_odds - self._newest)
        if self._learnt <= LEARNING_S:
            # a plain mean at first, so that the very first frame does not stand for the face
            self._newest = log_odds if self._learnt == step else self._newest
            self._baseline += step / self._learnt * (log_odds - self._baseline)
        elif not self._risen():
            pace = FALL_S if log_odds < self._baseline else BASELINE_S
            self._baseline += _share(step, pace) * (log_odds - self._baseline)

    def evidence(self) -> float:
        """Log-odds for an attack, 0..CAP."""
        if not self._risen():
            return 0.0
        return min(GAIN * (self._newest - self._baseline - self._drift), CAP)

    def _risen(self) -> bool:
        return self._learnt > LEARNING_S and self._newest - self._baseline > self._drift


def _share(step: Seconds, half_life: Seconds) -> float:
    return float(1.0 - 0.5 ** (step / half_life))
