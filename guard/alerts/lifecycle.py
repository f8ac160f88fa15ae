"""The life of alerts: one open alert per participant and family, one id from raise to clear. Pure."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from itertools import chain
from typing import TypeAlias
from uuid import UUID

from guard.config.settings import AlertSettings
from guard.core.errors import NotFoundError, SignallingError
from guard.core.types import Cue, Family, Transition, TransitionKind
from guard.core.units import ParticipantId, Seconds

IdFactory: TypeAlias = Callable[[datetime], str]
"""Makes an id that was never used before and sorts by time."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

NOTABLE_CHANGE = 0.1
"""An open alert whose probability moved less, on the same cues at the same severity, has no news."""

MOST_MINUTES = 24 * 60
"""An alert is suppressed for so long at most."""

MOST_PAST = 1000
"""Closed alerts that can still be acknowledged; policy drop-oldest."""


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
    NODE_RESTARTED = "node_restarted"
    """The node ended without closing it, and its next run did."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Whom an alert is about. The ids are made by us; names are for people and stay in payloads."""

    session_id: str
    participant_id: ParticipantId
    display_name: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody looks after an alert."""

    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Suppression:
    """Somebody wants to hear nothing of an alert for a while."""

    by: str
    at: datetime
    until: datetime
    reason: str


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
    """The newest evidence; once the alert is closed, the strongest since it was raised first."""
    reopened: bool = False
    closed_at: datetime | None = None
    """When the alert closed, like ``close_reason`` None as long as it is open."""
    close_reason: CloseReason | None = None
    acknowledgement: Acknowledgement | None = None
    suppression: Suppression | None = None
    """Until it runs out."""
    comment: str = ""
    """What an operator gave as the reason of this very message."""

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
    strongest: Transition
    told: Transition
    """The transition that the last message carried."""
    told_severity: int = 0
    told_at: Seconds = 0.0
    seq: int = 0
    closed: Seconds | None = None
    """When it closed, monotonic; None while it is open, like the next two."""
    closed_at: datetime | None = None
    close_reason: CloseReason | None = None
    acknowledgement: Acknowledgement | None = None
    suppression: Suppression | None = None

    @property
    def is_open(self) -> bool:
        return self.closed is None

    def take(self, transition: Transition) -> None:
        self.newest = transition
        self.severity = max(self.severity, transition.severity)
        self.strongest = max(self.strongest, transition, key=_strength)

    def close(self, reason: CloseReason, now: Seconds, wall: datetime) -> AlertEvent:
        self.closed, self.closed_at, self.close_reason = now, wall, reason
        return self.event(AlertKind.CLEARED, now, wall)

    def reopen(self, now: Seconds, wall: datetime) -> AlertEvent:
        self.closed = self.closed_at = self.close_reason = self.suppression = None
        return self.event(AlertKind.RAISED, now, wall, reopened=True)

    def event(
        self, kind: AlertKind, now: Seconds, wall: datetime, *, reopened: bool = False, comment: str = ""
    ) -> AlertEvent:
        if self.suppression is not None and self.suppression.until <= wall:
            self.suppression = None
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
            transition=self.newest if self.is_open else self.strongest,
            reopened=reopened,
            closed_at=self.closed_at,
            close_reason=self.close_reason,
            acknowledgement=self.acknowledgement,
            suppression=self.suppression,
            comment=comment,
        )


_Key: TypeAlias = tuple[str, ParticipantId, Family]


class AlertBook:
    """Turns transitions into events. ``now`` is monotonic, ``wall`` the date and time told to people."""

    def __init__(self, settings: AlertSettings, new_id: IdFactory) -> None:
        self._settings = settings
        self._new_id = new_id
        self._alerts: dict[_Key, _Alert] = {}
        self._past: deque[_Alert] = deque(maxlen=MOST_PAST)
        self._silent_until: dict[_Key, Seconds] = {}
        self._untold: set[_Key] = set()
        # raised while suppressed and not cleared since: the suppression ends with a raise

    def handle(
        self, participant: Participant, transition: Transition, now: Seconds, wall: datetime
    ) -> tuple[AlertEvent, ...]:
        """Take one transition; return the messages to send, none where there is no news."""
        key = _key(participant, transition.family)
        self._forget_closed(now)
        alert = self._alerts.get(key)
        silent = self._silent(key, now)
        if alert is not None and alert.is_open:
            alert.take(transition)
            if transition.kind is TransitionKind.CLEAR:
                return (alert.close(CloseReason.CLEARED, now, wall),)
            return () if silent else self._update(alert, now, wall)
        if transition.kind is TransitionKind.RAISE:
            self._untold.add(key)
        elif transition.kind is TransitionKind.CLEAR:
            self._untold.discard(key)
        if silent or key not in self._untold:
            return ()
        self._untold.discard(key)
        return (self._raise(key, participant, transition, now, wall),)

    def acknowledge(self, alert_id: str, by: str, reason: str, *, now: Seconds, wall: datetime) -> AlertEvent:
        """Note that somebody looks after an alert, open or closed; raise NotFoundError."""
        alert = self._find(alert_id)
        alert.acknowledgement = Acknowledgement(by, wall, reason)
        return alert.event(AlertKind.UPDATED, now, wall, comment=reason)

    def suppress(
        self, alert_id: str, by: str, reason: str, minutes: float, *, now: Seconds, wall: datetime
    ) -> AlertEvent:
        """Say no more of an alert, and raise its family for this participant no more, for ``minutes``.

        Its clear is told all the same. What is still suspected when the time is over is told then. A second
        call sets a new end, 0 at once, also once the alert is closed. Raises NotFoundError, and
        SignallingError for a closed alert about which nothing is silent, without a reason, or for less than
        nothing or more than ``MOST_MINUTES``.
        """
        alert = self._find(alert_id)
        key = _key(alert.participant, alert.newest.family)
        _check_suppression(reason, minutes, speaks=alert.is_open or self._silent(key, now))
        self._silent_until[key] = now + 60.0 * minutes
        alert.suppression = Suppression(by, wall, wall + timedelta(minutes=minutes), reason)
        return alert.event(AlertKind.UPDATED, now, wall, comment=reason)

    def participant_left(
        self, participant: Participant, now: Seconds, wall: datetime
    ) -> tuple[AlertEvent, ...]:
        """Close what is open of this participant, saying that it was not cleared by evidence."""
        events = []
        for key in (_key(participant, family) for family in Family):
            self._silent_until.pop(key, None)
            self._untold.discard(key)
            alert = self._alerts.pop(key, None)
            if alert is not None:
                self._past.append(alert)
                if alert.is_open:
                    events.append(alert.close(CloseReason.PARTICIPANT_LEFT, now, wall))
        return tuple(events)

    def open_alerts(self, participant: Participant) -> tuple[str, ...]:
        """Ids of the participant's open alerts."""
        who = (participant.session_id, participant.participant_id)
        return tuple(
            alert.alert_id for key, alert in self._alerts.items() if key[:2] == who and alert.is_open
        )

    def _raise(
        self, key: _Key, participant: Participant, transition: Transition, now: Seconds, wall: datetime
    ) -> AlertEvent:
        alert = self._alerts.get(key)
        if alert is not None:
            alert.take(transition)
            return alert.reopen(now, wall)
        made = _Alert(
            self._new_id(wall), participant, wall, transition.severity, transition, transition, transition
        )
        self._alerts[key] = made
        return made.event(AlertKind.RAISED, now, wall)

    def _update(self, alert: _Alert, now: Seconds, wall: datetime) -> tuple[AlertEvent, ...]:
        if alert.suppression is not None:  # it has run out, and the last message still tells it
            alert.suppression = None
        elif now - alert.told_at < self._settings.update_interval_s or not self._has_news(alert):
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

    def _silent(self, key: _Key, now: Seconds) -> bool:
        return now < self._silent_until.get(key, now)

    def _forget_closed(self, now: Seconds) -> None:
        span = self._settings.reopen_within_s
        for key, alert in list(self._alerts.items()):
            if alert.closed is not None and now - alert.closed > span:
                self._past.append(self._alerts.pop(key))

    def _find(self, alert_id: str) -> _Alert:
        for alert in chain(self._alerts.values(), self._past):
            if alert.alert_id == alert_id:
                return alert
        msg = (
            f"alert: expected the id of one that was raised since this node started, "
            f"got {alert_id[:80]!a}; GET /v1/alerts lists them"
        )
        raise NotFoundError(msg)


def _check_suppression(reason: str, minutes: float, *, speaks: bool) -> None:
    if not speaks:
        msg = "suppress: expected an open alert, got a closed one; it says nothing more, so acknowledge it"
        raise SignallingError(msg)
    if not reason.strip():
        msg = "suppress: expected a reason, got none; say why nobody needs to hear of this alert"
        raise SignallingError(msg)
    if not 0.0 <= minutes <= MOST_MINUTES:
        msg = (
            f"suppress: expected 0 (to end it) to {MOST_MINUTES} minutes, got {minutes}; "
            f"suppress again when the time is over"
        )
        raise SignallingError(msg)


def _key(participant: Participant, family: Family) -> _Key:
    return participant.session_id, participant.participant_id, family


def _strength(transition: Transition) -> tuple[int, float]:
    return transition.severity, transition.probability


def _cues(transition: Transition) -> frozenset[Cue]:
    return frozenset(part.cue for part in transition.contributions)
