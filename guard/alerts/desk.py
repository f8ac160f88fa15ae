"""The alert desk: what the rest of the guard hands its verdicts to."""

import asyncio
import secrets
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog
from pydantic import BaseModel

from guard.alerts.board import Board, Note
from guard.alerts.lifecycle import AlertBook, AlertEvent, Participant, uuid7
from guard.alerts.link import LinkStats, MqttLink
from guard.alerts.message import AlertMessage, EngineDigest, Issuer, encode, parse, travelling_name
from guard.alerts.outbox import Letter, Outbox
from guard.alerts.record import AlertRecord, record_of
from guard.alerts.restart import close_earlier
from guard.alerts.topics import Topics
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.errors import DeliveryError
from guard.core.types import Assessment, State, Transition
from guard.core.units import ParticipantId, Seconds, WallClock

logger = structlog.get_logger(__name__)

SCORE_INTERVAL: Seconds = 1.0
"""A participant's score series has at most this pace."""

STATE_INTERVAL: Seconds = 5.0
"""A retained state without a change is refreshed at this pace."""

MOST_HELD = 1000
"""Letters kept in memory while the disk takes none; policy drop-oldest."""

MOST_LEFT = 4096
"""Participants remembered after they left; policy drop-oldest: no verdict comes that late."""

CLOSING: Seconds = 0.25
"""The outbox gets so long to close where nobody holds it."""

_Who: TypeAlias = tuple[str, ParticipantId]


class Birth(BaseModel):
    """Payload of ``birth``: what node this is, and by what it judges."""

    node: str
    version: str
    started_at: datetime
    raise_at: float
    engines: tuple[EngineDigest, ...]
    weight_terms: tuple[str, ...]


class StatePayload(BaseModel):
    """Payload of a participant's ``state`` and ``score``."""

    at: datetime
    session_id: str
    participant_id: str
    display_name: str
    state: State
    liveness: float | None
    """None while the state is insufficient, like ``deepfake``."""
    deepfake: float | None
    coverage: float
    reasons: tuple[str, ...]
    alerts: tuple[str, ...]
    """Ids of the open alerts."""


@dataclass(frozen=True, slots=True)
class DeskStats:
    """How alerting is doing."""

    link: LinkStats
    held: int
    """Letters that the disk did not take yet."""
    lost: int
    """Letters dropped from memory because the disk took none for too long."""


@dataclass(slots=True)
class _Told:
    state: tuple[State, tuple[str, ...], tuple[str, ...]]
    state_at: Seconds
    score_at: Seconds


class AlertDesk:
    """Thread-safe; calls may wait for the disk, so make them off the event loop (the analysis threads do).

    Submit a participant's transitions before the assessment that came with them. An event is on disk before
    anybody sees it. When the disk does not take it, it is held in memory and tried again with the next one
    and by ``flush``; ``stats`` shows it. What is said of somebody after they left is ignored: a slow analysis
    may end that late, and nobody would close what it opens.
    """

    def __init__(
        self,
        *,
        book: AlertBook,
        outbox: Outbox,
        board: Board,
        link: MqttLink,
        issuer: Issuer,
        wall: WallClock,
    ) -> None:
        self.link = link
        self._book = book
        self._outbox = outbox
        self._board = board
        self._issuer = issuer
        self._topics = Topics(issuer.node)
        self._wall = wall
        self._lock = threading.Lock()
        self._held: deque[Letter] = deque()
        self._lost = 0
        self._told: dict[_Who, _Told] = {}
        self._left: dict[_Who, None] = {}

    def submit(self, participant: Participant, transition: Transition) -> tuple[AlertEvent, ...]:
        """Take one transition; return the events that it made, on disk unless ``stats().held``."""
        with self._lock:
            if _who(participant) in self._left:
                return ()
            events = self._book.handle(participant, transition, transition.at, self._wall())
            self._store(events)
        return events

    def participant_left(self, participant: Participant, now: Seconds) -> tuple[AlertEvent, ...]:
        """Close what is open of this participant and empty their retained state, for good."""
        return self.participants_left((participant,), now)

    def participants_left(self, participants: Iterable[Participant], now: Seconds) -> tuple[AlertEvent, ...]:
        """Close what is open of all of these in one transaction, else as ``participant_left``."""
        with self._lock:
            events = tuple(event for one in participants for event in self._close_alerts(one, now))
            self._store(events)
        self.link.wake()
        return events

    def set_state(self, participant: Participant, assessment: Assessment) -> None:
        """Tell the newest assessment, as often as it comes: what is sent is thinned out here."""
        with self._lock:
            if _who(participant) in self._left:
                return
            notes = self._notes(participant, assessment)
            for note in notes:  # under the lock, so that none is put up after the one that empties the topic
                self._board.post(note)
        if notes:
            self.link.wake()

    def acknowledge(self, alert_id: str, by: str, reason: str, now: Seconds) -> AlertMessage:
        """Tell that ``by`` looks after an alert of this run, open or closed; return what was told.

        Raises NotFoundError for an alert that this run did not raise or has forgotten.
        """
        with self._lock:
            event = self._book.acknowledge(alert_id, by, reason, now=now, wall=self._wall())
            self._store((event,))
        logger.info("alert acknowledged", alert=event.alert_id)
        return parse(encode(event, self._issuer))

    def suppress(self, alert_id: str, by: str, reason: str, minutes: float, now: Seconds) -> AlertMessage:
        """Tell no more of an alert for ``minutes``, as ``AlertBook.suppress``; return what was told.

        Raises NotFoundError for an alert that this run did not raise or has forgotten, SignallingError for
        one that is closed and not suppressed, without a reason, and for a span that is none.
        """
        with self._lock:
            event = self._book.suppress(alert_id, by, reason, minutes, now=now, wall=self._wall())
            self._store((event,))
        logger.info("alert suppressed", alert=event.alert_id, minutes=minutes)
        return parse(encode(event, self._issuer))

    def alerts(self, limit: int = 100, *, open_only: bool = False) -> list[AlertRecord]:
        """Each alert as it was told last, the one with the newest message first; those of earlier runs too.

        What the outbox has pruned is gone. Raises DeliveryError when the disk gives nothing.
        """
        held: dict[str, Letter] = {}
        with self._lock:  # so that a letter is either held or on disk
            for letter in reversed(self._held):
                held.setdefault(letter.alert_id, letter)
            stored = self._outbox.newest(limit + len(held), open_only=open_only)
        waiting = [letter.payload for letter in held.values() if not (open_only and letter.closes)]
        written = [row.payload for row in stored if row.alert_id not in held]
        return [record_of(parse(payload)) for payload in (waiting + written)[:limit]]

    def set_health(self, payload: bytes) -> None:
        """Tell the node's figures, JSON; call it about every ten seconds."""
        self._board.post(Note(self._topics.health, payload, qos=0))
        self.link.wake()

    def flush(self) -> None:
        """Try again to write what the disk did not take; waits for the disk."""
        with self._lock:
            self._store(())

    async def close(self, deadline: Seconds = 5.0) -> bool:
        """Write what is held, end the link as ``MqttLink.close`` does, then close the outbox.

        What the disk does not take within half of ``deadline`` is lost and told in the log; a file that
        cannot be closed ``CLOSING`` after it is left to its thread. The caller owns the link's task.
        """
        now = asyncio.get_running_loop().time
        until = now() + deadline
        if self._held:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.to_thread(self.flush), deadline / 2)
        if self._held:
            logger.error("alerts are lost with the end", held=len(self._held))
        drained = await self.link.close(max(0.0, until - now()))
        try:
            await asyncio.wait_for(asyncio.to_thread(self._outbox.close), max(0.0, until - now()) + CLOSING)
        except TimeoutError:
            logger.error("outbox cannot be closed, a thread waits for its disk")  # noqa: TRY400 -- says it all
        return drained

    def stats(self) -> DeskStats:
        """Figures for health and metrics, from any thread."""
        return DeskStats(self.link.stats(), len(self._held), self._lost)

    def _store(self, events: tuple[AlertEvent, ...]) -> None:
        self._held.extend(self._letter(event) for event in events)
        if not self._held:
            return
        try:
            self._outbox.add(self._held)
        except DeliveryError:
            self._drop_oldest()
            logger.exception("alerts are held in memory", held=len(self._held), lost=self._lost)
            return
        letters = len(self._held)
        self._held.clear()
        self.link.wake(letters)

    def _close_alerts(self, participant: Participant, now: Seconds) -> tuple[AlertEvent, ...]:
        who = _who(participant)
        self._remember_left(who)
        self._told.pop(who, None)
        self._board.post(Note(self._topics.state(*who), b""))
        return self._book.participant_left(participant, now, self._wall())

    def _remember_left(self, who: _Who) -> None:
        self._left[who] = None
        if len(self._left) > MOST_LEFT:
            del self._left[next(iter(self._left))]

    def _drop_oldest(self) -> None:
        while len(self._held) > MOST_HELD:
            self._held.popleft()
            self._lost += 1

    def _letter(self, event: AlertEvent) -> Letter:
        closed = event.closed_at is not None
        return Letter(event.message_id, event.alert_id, closed, encode(event, self._issuer), event.at)

    def _notes(self, participant: Participant, assessment: Assessment) -> list[Note]:
        who = _who(participant)
        alerts = self._book.open_alerts(participant)
        state = (assessment.state, assessment.reasons, alerts)
        told = self._told.setdefault(who, _Told(state, float("-inf"), float("-inf")))
        payload = _payload(participant, assessment, alerts, self._wall())
        notes = []
        if state != told.state or assessment.at - told.state_at >= STATE_INTERVAL:
            told.state, told.state_at = state, assessment.at
            notes.append(Note(self._topics.state(*who), payload))
        if assessment.at - told.score_at >= SCORE_INTERVAL:
            told.score_at = assessment.at
            notes.append(Note(self._topics.score(*who), payload, qos=0, retain=False))
        return notes


def _who(participant: Participant) -> _Who:
    return participant.session_id, participant.participant_id


def _payload(
    participant: Participant, assessment: Assessment, alerts: tuple[str, ...], wall: datetime
) -> bytes:
    payload = StatePayload(
        at=wall,
        session_id=participant.session_id,
        participant_id=participant.participant_id,
        display_name=travelling_name(participant.display_name),
        state=assessment.state,
        liveness=assessment.told_liveness,
        deepfake=assessment.told_deepfake,
        coverage=round(assessment.coverage, 3),
        reasons=assessment.reasons,
        alerts=alerts,
    )
    return payload.model_dump_json().encode()


def open_desk(alerts: AlertSettings, mqtt: MqttSettings, issuer: Issuer, wall: WallClock) -> AlertDesk:
    """A desk with its outbox and link; run ``desk.link.run()`` in a task. Opens a file: blocks.

    Alerts that an earlier run left open are closed.
    Raises ConfigError when the outbox cannot be opened or the broker's address may not be used.
    """
    board = Board()
    birth = Birth(
        node=issuer.node,
        version=issuer.version,
        started_at=wall(),
        raise_at=issuer.threshold,
        engines=issuer.engines,
        weight_terms=issuer.weight_terms,
    )
    book = AlertBook(alerts, lambda at: str(uuid7(at, secrets.randbits(74))))
    with ExitStack() as opened:
        outbox = opened.enter_context(closing(Outbox(alerts.outbox_path)))
        close_earlier(outbox, issuer, wall())
        link = MqttLink(
            mqtt,
            outbox,
            board,
            birth.model_dump_json().encode(),
            retain_for=timedelta(hours=alerts.retain_hours),
            wall=wall,
        )
        opened.pop_all()
    return AlertDesk(book=book, outbox=outbox, board=board, link=link, issuer=issuer, wall=wall)
