"""Two thresholds and two holds: when suspicion becomes an alert, and when an alert ends."""

from guard.config.settings import DecisionSettings
from guard.core.types import TransitionKind
from guard.core.units import Seconds


class Hysteresis:
    """One family of one participant.

    Raises after ``raise_hold_s`` at or above ``raise_at`` with enough coverage. Clears after ``clear_hold_s``
    of *judged* time below ``clear_at``: a face that left, or that cannot be judged, stops the count but never
    advances it, so that hiding does not clear an alert.
    """

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self._held: Seconds = 0.0
        self._above = False
        self.raised = False

    def step(
        self, probability: float, length: Seconds, *, judged: bool, covered: bool
    ) -> TransitionKind | None:
        """Let ``length`` seconds pass that ended with this probability; tell what happened."""
        if self.raised:
            return self._step_down(probability, length, judged=judged)
        return self._step_up(probability, length, covered=covered)

    def _step_up(self, probability: float, length: Seconds, *, covered: bool) -> TransitionKind | None:
        above = probability >= self._settings.raise_at
        # the first sample above begins the hold: the time before it was spent below
        self._held = self._held + length if above and self._above else 0.0
        self._above = above
        if not (above and covered and self._held >= self._settings.raise_hold_s):
            return None
        self.raised, self._held = True, 0.0
        return TransitionKind.RAISE

    def _step_down(self, probability: float, length: Seconds, *, judged: bool) -> TransitionKind:
        if judged:
            below = probability < self._settings.clear_at
            self._held = self._held + length if below else 0.0
        if self._held < self._settings.clear_hold_s:
            return TransitionKind.UPDATE
        self.raised, self._held, self._above = False, 0.0, False
        return TransitionKind.CLEAR
