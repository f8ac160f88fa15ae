"""What a demo run saw, and the verdict on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from guard.core.types import Family, State
from guard.core.units import Seconds
from guard.core.windows import held_maximum

Expected = Literal["bona_fide", "attack"]

HELD: Seconds = 2.0
"""Headline scores are the worst that was held for so long."""

MIN_COVERAGE = 0.6
"""A bona fide caller who was not judged for this share of the run proves nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One published score of a participant."""

    at: Seconds
    """Since the start of the run."""
    liveness: float | None
    """None while the state is insufficient, like ``deepfake``."""
    deepfake: float | None
    state: State
    coverage: float


@dataclass(slots=True)
class AlertSpan:
    """One alert from raise to clear, in seconds since the start of the run."""

    id: str
    participant: str
    family: Family
    severity: int
    message: str
    raised_at: Seconds
    cleared_at: Seconds | None = None
    closed_by: str | None = None
    """Why it ended, as its last message said."""

    def as_fields(self) -> dict[str, Any]:
        """The summary's form."""
        return {
            "id": self.id,
            "participant": self.participant,
            "family": self.family.value,
            "raised_at": round(self.raised_at, 2),
            "cleared_at": None if self.cleared_at is None else round(self.cleared_at, 2),
        }


@dataclass(slots=True)
class CallerRecord:
    """One caller: what was put in and what came out."""

    id: str
    title: str
    expected: Expected
    families: frozenset[Family] = frozenset()
    """The families of which one must be raised, for an attacker."""
    attack_span: tuple[Seconds, Seconds] | None = None
    """When the attack was on, for one that is switched."""
    samples: list[Sample] = field(default_factory=list)
    received_frames: int = 0
    """Frames that the WHEP subscriber of this caller received."""
    broke_off: str | None = None
    """Why its video ended early, if it did."""

    def coverage(self) -> float:
        """Mean coverage once the first window was full."""
        judged = [sample.coverage for sample in self.samples if sample.at - self.samples[0].at >= 5.0]  # noqa: PLR2004 -- the coverage window
        return sum(judged) / len(judged) if judged else 0.0

    def deepfake(self) -> float | None:
        """The highest deepfake score held for 2 s; None before that."""
        return self._held(lambda sample: sample.deepfake)

    def liveness(self) -> float | None:
        """The lowest liveness held for 2 s; None before that."""
        lowest = self._held(lambda sample: None if sample.liveness is None else -sample.liveness)
        return None if lowest is None else -lowest

    def _held(self, value_of: Callable[[Sample], float | None]) -> float | None:
        stretches: list[list[tuple[Seconds, float]]] = [[]]  # nothing is held across what was not told
        for sample in self.samples:
            value = value_of(sample)
            if value is None:
                stretches.append([])
            else:
                stretches[-1].append((sample.at, value))
        held = (held_maximum(stretch, HELD) for stretch in stretches)
        return max((value for value in held if value is not None), default=None)


@dataclass(slots=True)
class Run:
    """The whole run."""

    callers: list[CallerRecord]
    alerts: list[AlertSpan] = field(default_factory=list)
    latency_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: Seconds = 0.0
    """Length of the call so far."""
    total_seconds: Seconds = 0.0
    """From the command to its end."""
    notes: list[str] = field(default_factory=list)
    weight_terms: tuple[str, ...] = ()
    """Who may use the weights that judged."""

    def alerts_of(self, caller: CallerRecord) -> list[AlertSpan]:
        """Alerts about this caller, oldest first."""
        return [alert for alert in self.alerts if alert.participant == caller.id]

    def shortfalls(self) -> list[str]:
        """Why the run is not ok; empty when it is."""
        return [text for caller in self.callers for text in self._shortfalls(caller)]

    def _shortfalls(self, caller: CallerRecord) -> list[str]:
        alerts = self.alerts_of(caller)
        found: list[str] = []
        if caller.received_frames == 0:
            found.append(f"{caller.title}: no relayed video reached the subscriber")
        if caller.broke_off is not None:
            found.append(f"{caller.title}: its video broke off: {caller.broke_off}")
        if caller.expected == "bona_fide":
            if alerts:
                found.append(f"{caller.title}: raised {alerts[0].family.value} though bona fide")
            if caller.coverage() < MIN_COVERAGE:
                found.append(
                    f"{caller.title}: judged {caller.coverage():.0%} of the time, expected {MIN_COVERAGE:.0%}"
                )
        else:
            found += _missed(caller, alerts)
        return found

    def summary(self) -> dict[str, Any]:
        """The form of summary.json."""
        return {
            "ok": not self.shortfalls(),
            "run_seconds": round(self.total_seconds, 1),
            "participants": [self._participant(caller) for caller in self.callers],
            "alerts": [alert.as_fields() for alert in self.alerts],
            "latency_ms": self.latency_ms,
            "shortfalls": self.shortfalls(),
        }

    def _participant(self, caller: CallerRecord) -> dict[str, Any]:
        return {
            "id": caller.id,
            "expected": caller.expected,
            "state": self.verdict(caller).value,
            "liveness": _rounded(caller.liveness()),
            "deepfake": _rounded(caller.deepfake()),
            "coverage": round(caller.coverage(), 3),
            "alerts": [alert.id for alert in self.alerts_of(caller)],
        }

    def verdict(self, caller: CallerRecord) -> State:
        """The state that the run as a whole supports: attack if one was raised, else the last one seen."""
        alerts = self.alerts_of(caller)
        if any(alert.family is not Family.GUARD for alert in alerts):
            return State.ATTACK
        if any(alert.cleared_at is None for alert in alerts):
            return State.INSUFFICIENT  # guard.unjudged is open
        return caller.samples[-1].state if caller.samples else State.INSUFFICIENT


def _missed(caller: CallerRecord, alerts: list[AlertSpan]) -> list[str]:
    """What an attacker's alerts fall short of."""
    begin, end = caller.attack_span or (0.0, 0.0)
    found = [
        f"{caller.title}: raised {alert.family.value} before the attack was switched on"
        for alert in alerts
        if alert.raised_at < begin and alert.family is not Family.GUARD
    ]
    hits = [alert for alert in alerts if alert.raised_at >= begin and alert.family in caller.families]
    if not hits:
        found.append(f"{caller.title}: raised nothing")
    if caller.attack_span and any(not _cleared_after(alert, end) for alert in hits):
        found.append(f"{caller.title}: its alert was not cleared after the attack was switched off")
    return found


def _cleared_after(alert: AlertSpan, end: Seconds) -> bool:
    return alert.cleared_at is not None and alert.closed_by is None and alert.cleared_at >= end


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
