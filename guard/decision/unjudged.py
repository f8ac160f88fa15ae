"""Hiding is no free pass: video that cannot be judged for long is itself raised, as ``guard.unjudged``."""

from guard.config.settings import DecisionSettings
from guard.core.types import Assessment, Family, Reason, State, Transition, TransitionKind
from guard.core.units import Seconds
from guard.decision.severity import LOW, MEDIUM


class UnjudgedWatch:
    """Counts the time in which video came but coverage stayed too low; one judged frame does not reset it."""

    def __init__(self, settings: DecisionSettings) -> None:
        self._settings = settings
        self._lasted: Seconds = 0.0
        self._suspected_at: Seconds = float("-inf")
        self._severity = LOW
        self._raised = False

    def step(
        self, assessment: Assessment, reasons: tuple[Reason, ...], length: Seconds
    ) -> tuple[Transition, ...]:
        """Take the assessment of one frame, which speaks for ``length`` seconds; tell what happened."""
        if assessment.state in {State.ATTACK, State.SUSPICIOUS}:
            self._suspected_at = assessment.at
        if assessment.coverage >= self._settings.min_coverage:
            return self._judged_again(assessment)
        if self._lasted == 0.0:
            self._severity = self._severity_at(assessment.at)
        self._lasted += length
        if self._raised:
            return (self._transition(TransitionKind.UPDATE, assessment, reasons),)
        if self._lasted < self._settings.unjudged_after_s:
            return ()
        self._raised = True
        return (self._transition(TransitionKind.RAISE, assessment, reasons),)

    def _judged_again(self, assessment: Assessment) -> tuple[Transition, ...]:
        self._lasted = 0.0
        if not self._raised:
            return ()
        self._raised = False
        return (self._transition(TransitionKind.CLEAR, assessment, ()),)

    def _severity_at(self, now: Seconds) -> int:
        # coverage falls some seconds after the face hid, and suspicion fades meanwhile
        return MEDIUM if now - self._suspected_at <= self._settings.coverage_window_s else LOW

    def _transition(
        self, kind: TransitionKind, assessment: Assessment, reasons: tuple[Reason, ...]
    ) -> Transition:
        return Transition(
            family=Family.GUARD,
            kind=kind,
            at=assessment.at,
            probability=1.0 - assessment.coverage,
            severity=self._severity,
            coverage=assessment.coverage,
            reasons=reasons,
            face_id=assessment.face_id,
        )
