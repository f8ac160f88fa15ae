"""The life of alerts: one open alert per participant and family, one id from raise to clear. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import TypeAlias
from uuid import UUID

from guard.config.settings import AlertSettings
from guard.core.types import Cue, Family, Transition, TransitionKind
from guard.core.units import ParticipantId, Seconds

IdFactory: TypeAlias = Callable[[datetime], str]
"""Makes an id that was never used before and sorts by time."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NOTABLE_CHANGE = 0.1
"""An open alert whose probability moved less, on the same cues at the same severity, has no news."""


def uuid7(at: datetime, entropy: int) -> UUID:
    """A UUID version 7 (RFC 9562 section 5.7) from a point in time and 74 random bits."""
    milliseconds = (at - EPOCH) // timedelta(milliseconds=1) & (1 << 48) - 1
    random_a, random_b = entropy >> 62 & 0xFFF, entropy & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b)


@unique
class AlertKind(StrEnum):
    """What an event says of its alert; the last word of the CloudEvents type."""

    RAISED = "raised"
    UPDATED = "updated"
    CLEARED = "cleared"


@unique
class CloseReason(StrEnum):
    """Why an alert closed."""

    CLEARED = "cleared"
    """Judged long enough without suspicion."""
    PARTICIPANT_LEFT = "participant_left"
    """The participant left while under suspicion."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Whom an alert is about. The ids are made by us; names are for people and stay in payloads."""

    session_id: str
    participant_id: ParticipantId
    display_name: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One message about one alert."""

    kind: AlertKind
    alert_id: str
    seq: int
    """1 for the first message of an alert, then one more each."""
    participant: Participant
    family: Family
    severity: int
    raised_at: datetime
    """When the alert was raised first."""
    at: datetime
    transition: Transition
    """The evidence; for a participant who left, what was seen last."""
    reopened: bool = False
    close_reason: CloseReason | None = None

    @property
    def message_id(self) -> str:
        """Unique for each message, the same however often it is sent: subscribers remove duplicates by it."""
        return f"{self.alert_id}.{self.seq}"


@dataclass(slots=True)
class _Alert:
    alert_id: str
    participant: Participant
    raised_at: datetime
    severity: int
    newest: Transition
    told: Transition
    """The transition that the last message carried."""
    told_severity: int = 0
    told_at: Seconds = 0.0
    seq: int = 0
    closed_at: Seconds | None = None

    def take(self, transition: Transition) -> None:
        self.newest = transition
        self.severity = max(self.severity, transition.severity)

    def event(
        self,
        kind: AlertKind,
        now: Seconds,
        wall: datetime,
        *,
        reopened: bool = False,
        close_reason: CloseReason | None = None,
    ) -> AlertEvent:
        self.seq += 1
        self.told, self.told_severity, self.told_at = self.newest, self.severity, now
        return AlertEvent(
            kind=kind,
            alert_id=self.alert_id,
            seq=self.seq,
            participant=self.participant,
            family=self.newest.family,
            severity=self.severity,
            raised_at=self.raised_at,
            at=wall,
            transition=self.newest,
            reopened=reopened,
            close_reason=close_reason,
        )


_Key: TypeAlias = tuple[str, ParticipantId, Family]


class AlertBook:
    """Turns transitions into events. ``now`` is monotonic, ``wall`` the date and time told to people."""

    def __init__(self, settings: AlertSettings, new_id: IdFactory) -> None:
        self._settings = settings
        self._new_id = new_id
        self._alerts: dict[_Key, _Alert] = {}

    def handle(
        self, participant: Participant, transition: Transition, now: Seconds, wall: datetime
    ) -> tuple[AlertEvent, ...]:
        """Take one transition; return the messages to send, none where there is no news."""
        key = (participant.session_id, participant.participant_id, transition.family)
        self._forget_closed(now)
        alert = self._alerts.get(key)
        if transition.kind is TransitionKind.RAISE:
            return self._raise(key, participant, transition, now, wall)
        if alert is None or alert.closed_at is not None:
            return ()
        alert.take(transition)
        if transition.kind is TransitionKind.CLEAR:
            return (self._close(alert, CloseReason.CLEARED, now, wall),)
        return self._update(alert, now, wall)

    def participant_left(
        self, participant: Participant, now: Seconds, wall: datetime
    ) -> tuple[AlertEvent, ...]:
        """Close what is open of this participant, saying that it was not cleared by evidence."""
        who = (participant.session_id, participant.participant_id)
        theirs = [key for key in self._alerts if key[:2] == who]
        left = [self._alerts.pop(key) for key in theirs]
        return tuple(
            self._close(alert, CloseReason.PARTICIPANT_LEFT, now, wall)
            for alert in left
            if alert.closed_at is None
        )

    def open_alerts(self, participant: Participant) -> tuple[str, ...]:
        """Ids of the participant's open alerts."""
        who = (participant.session_id, participant.participant_id)
        return tuple(
            alert.alert_id
            for key, alert in self._alerts.items()
            if key[:2] == who and alert.closed_at is None
        )

    def _raise(
        self, key: _Key, participant: Participant, transition: Transition, now: Seconds, wall: datetime
    ) -> tuple[AlertEvent, ...]:
        alert = self._alerts.get(key)
        if alert is None:
            made = _Alert(self._new_id(wall), participant, wall, transition.severity, transition, transition)
            self._alerts[key] = made
            return (made.event(AlertKind.RAISED, now, wall),)
        alert.take(transition)
        if alert.closed_at is None:
            return self._update(alert, now, wall)
        alert.closed_at = None
        return (alert.event(AlertKind.RAISED, now, wall, reopened=True),)

    def _update(self, alert: _Alert, now: Seconds, wall: datetime) -> tuple[AlertEvent, ...]:
        if now - alert.told_at < self._settings.update_interval_s or not self._has_news(alert):
            return ()
        return (alert.event(AlertKind.UPDATED, now, wall),)

    @staticmethod
    def _has_news(alert: _Alert) -> bool:
        newest, told = alert.newest, alert.told
        return (
            alert.severity > alert.told_severity
            or _cues(newest) != _cues(told)
            or set(newest.reasons) != set(told.reasons)
            or abs(newest.probability - told.probability) >= NOTABLE_CHANGE
        )

    @staticmethod
    def _close(alert: _Alert, reason: CloseReason, now: Seconds, wall: datetime) -> AlertEvent:
        alert.closed_at = now
        return alert.event(AlertKind.CLEARED, now, wall, close_reason=reason)

    def _forget_closed(self, now: Seconds) -> None:
        span = self._settings.reopen_within_s
        for key, alert in list(self._alerts.items()):
            if alert.closed_at is not None and now - alert.closed_at > span:
                del self._alerts[key]


def _cues(transition: Transition) -> frozenset[Cue]:
    return frozenset(part.cue for part in transition.contributions)
