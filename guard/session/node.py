"""One node: calls come in, are watched and end; what happens meanwhile is told."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

import httpx
import structlog

from guard.alerts.lifecycle import Participant as Subject
from guard.alerts.message import AlertMessage, travelling_name
from guard.alerts.record import AlertRecord, record_of
from guard.core.errors import CapacityError, NotFoundError
from guard.core.units import ParticipantId, Seconds
from guard.flow.tasks import Tasks
from guard.inference.open import LoadedEngine
from guard.media.publication import Publication, Subscription
from guard.media.turn import relays_for
from guard.session.attach import Pull
from guard.session.counting import refusals
from guard.session.events import AlertTold, Stopping
from guard.session.health import Health
from guard.session.participant import Intake_co, OpenIntake, Participant, Watch
from guard.session.rooms import Room, Rooms, RoomStatus, Session
from guard.session.visitor import Visitor
from guard.session.watchdog import CHECK_INTERVAL
from guard.telemetry.metrics import CONTENT_TYPE
from guard.telemetry.stamps import Percentiles

logger = structlog.get_logger(__name__)

__all__ = ["Joined", "Node", "RoomStatus", "Session"]

HEALTH_INTERVAL: Seconds = 10.0

LAST_STEPS: Seconds = 0.1
"""A call that is cancelled gets so long to say that it left."""

CALLS_SHARE, DESK_SHARE = 0.75, 0.2
"""Of the time to stop: for the end of the calls, then for what is still to be written and delivered."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A session that has begun."""

    session_id: str
    participant_id: ParticipantId
    answer: str
    """Our answer to the offer; empty where there was none."""


class Node:
    """Rooms and sessions of one process. Everything here belongs to the event loop."""

    def __init__(self, watch: Watch, engines: tuple[LoadedEngine, ...]) -> None:
        self.events = watch.events
        self._settings = watch.settings
        self._watch = watch
        self._engines = engines
        self._rooms = Rooms(watch.settings.media, watch.metrics)
        self._tasks = Tasks("node", on_crash=watch.metrics.count_crash)
        self._health = Health(watch, self._rooms, lambda: self._tasks.given_up)
        self._started = False
        self._expired: set[str] = set()
        self._stopping: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """Whether everything is loaded and runs: calls are watched, and alerts delivered."""
        return self._started

    async def start(self) -> None:
        """Begin to deliver alerts, to tell health, and to look after calls."""
        self.events.start()
        self._tasks.keep("mqtt", self._watch.desk.link.run)
        self._tasks.keep("health", self._tell_health)
        self._tasks.keep("broker watch", partial(_repeat, self._health.check))
        self._tasks.keep("expiry", partial(_repeat, self._end_expired))
        self._tasks.keep("watchdog", partial(_repeat, self._check_analyses))
        self._started = True
        for terms in self.weight_terms():
            logger.info("weights in use", terms=terms)

    def drain(self) -> None:
        """Take no more calls from here on, and tell whoever listens; calling it twice is harmless."""
        if not self._health.draining:
            self._health.draining = True
            self.events.post(Stopping(self._watch.wall()))

    async def stop(self, within: Seconds = 7.5) -> None:
        """End every call, deliver what can be delivered, close everything; it ends ``within`` so long.

        Whatever hangs is told in the log and left. Calling it twice is harmless.
        """
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(within), name="node/stop")
        await asyncio.shield(self._stopping)

    async def _stop(self, within: Seconds) -> None:
        now = asyncio.get_running_loop().time
        until = now() + within
        self.drain()
        try:
            await self._end_calls(CALLS_SHARE * within)
            self.events.close()
            keep = within * (1.0 - CALLS_SHARE - DESK_SHARE)
            drained = await self._watch.desk.close(until - keep - now())
            pending = self._watch.desk.stats().link.pending
            if pending and not drained:
                logger.warning("alerts wait in the outbox", pending=pending)
        finally:
            await self._tasks.close(max(0.0, until - now()))
            for loaded in self._engines:
                loaded.engine.deactivate()

    async def publish(self, room_id: str, visitor: Visitor, offer_sdp: str) -> Joined:
        """Let a publisher in; raise SignallingError, UnsupportedCodec or CapacityError."""
        media, ice, clock = self._settings.media, self._settings.ice, self._watch.clock
        participant_id = _participant_id()
        with refusals(self._watch.metrics):
            return await self._enter(
                room_id,
                visitor,
                participant_id,
                partial(Publication, participant_id, media, ice, clock),
                lambda publication: publication.answer(offer_sdp),
            )

    async def attach(
        self,
        room_id: str,
        visitor: Visitor,
        url: str,
        token: str,
        *,
        on_left: Callable[[str], None] = lambda _reason: None,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> Joined:
        """Watch a participant of another server, pulled by WHEP from ``url`` with its ``token``.

        Media may flow by the TURN servers of ``ice.servers``, where there are none by those that the other
        server names. ``on_left`` is told why the session ended, after all of it. Raises CapacityError, or a
        GuardError with the other server's words. ``http`` replaces the network.
        """
        media, ice, clock = self._settings.media, self._settings.ice, self._watch.clock
        servers = relays_for(ice, visitor.owner, self._watch.wall().timestamp())

        async def join(pull: Pull) -> str:
            await pull.join()
            return ""

        pull = partial(Pull, url, token, media, ice, servers, clock, http)
        return await self._enter(room_id, visitor, _participant_id(), pull, join, on_left=on_left)

    async def subscribe(
        self, room_id: str, participant_id: ParticipantId, visitor: Visitor, offer_sdp: str
    ) -> Joined:
        """Let a subscriber watch one participant; raise NotFoundError, SignallingError or CapacityError."""
        with refusals(self._watch.metrics):
            return await self._subscribe(room_id, participant_id, visitor, offer_sdp)

    async def _subscribe(
        self, room_id: str, participant_id: ParticipantId, visitor: Visitor, offer_sdp: str
    ) -> Joined:
        self._admit()
        room = self._rooms.for_subscriber(room_id, visitor.owner)
        publication = _publication(room, participant_id)
        session_id = _session_id()
        ended = partial(self._rooms.unwatch, room, session_id)
        self._rooms.reserve(room, session_id, visitor.owner)
        joined: tuple[Subscription, str] | None = None
        try:
            joined = await publication.subscribe(offer_sdp, lambda _reason: ended())
        finally:
            if joined is None:
                ended()
        subscription, answer = joined
        self._rooms.watch(Session(session_id, room_id, visitor, participant_id, subscription))
        return Joined(session_id, participant_id, answer)

    def session(self, session_id: str) -> Session:
        """A session that runs; raise NotFoundError."""
        return self._rooms.session(session_id)

    async def add_candidates(self, session_id: str, fragment: str) -> None:
        """Take trickled ICE candidates of a session; raise NotFoundError or SignallingError."""
        leg = self.session(session_id).leg
        end = leg.intake if isinstance(leg, Participant) else leg
        if isinstance(end, Publication | Subscription):
            await end.add_candidates(fragment)

    async def leave(self, session_id: str) -> None:
        """End a session; raise NotFoundError."""
        await self.session(session_id).leg.close("left")

    def rooms(self) -> Iterator[RoomStatus]:
        """The rooms as they are now."""
        return (room.status() for room in self._rooms)

    def find_room(self, room_id: str) -> RoomStatus | None:
        """A room as it is now; None where nobody publishes in it."""
        room = self._rooms.find(room_id)
        return None if room is None else room.status()

    def room(self, room_id: str) -> RoomStatus:
        """A room as it is now; raise NotFoundError where nobody publishes in it."""
        return self._rooms.room(room_id).status()

    async def alerts(self, limit: int = 100, *, open_only: bool = False) -> list[AlertRecord]:
        """The newest alerts, also of earlier runs, newest first; raise DeliveryError."""
        return await asyncio.to_thread(self._watch.desk.alerts, limit, open_only=open_only)

    async def acknowledge(self, alert_id: str, by: str, reason: str) -> AlertRecord:
        """Note that ``by`` looks after an alert; raise NotFoundError."""
        desk, now = self._watch.desk, self._watch.clock()
        return self._told(await asyncio.to_thread(desk.acknowledge, alert_id, by, reason, now))

    async def suppress(self, alert_id: str, by: str, reason: str, minutes: float) -> AlertRecord:
        """Hear no more of an open alert for a while; raise NotFoundError or SignallingError."""
        desk, now = self._watch.desk, self._watch.clock()
        return self._told(await asyncio.to_thread(desk.suppress, alert_id, by, reason, minutes, now))

    def stages(self) -> dict[str, Percentiles]:
        """Where the newest frames' milliseconds went."""
        return self._watch.stages.summary()

    def not_ready(self) -> tuple[str, ...]:
        """Why this node should get no new calls; empty when it may."""
        return self._health.not_ready()

    def degraded(self) -> tuple[str, ...]:
        """Participants who are not judged any more, and why."""
        return self._health.degraded()

    def warnings(self) -> tuple[str, ...]:
        """What is wrong though calls can be taken: degraded participants, a broker that is away."""
        return self._health.warnings()

    def weight_terms(self) -> tuple[str, ...]:
        """The terms of the weights in use, one line an engine."""
        return tuple(loaded.manifest.engine.terms() for loaded in self._engines)

    def metrics_page(self) -> tuple[bytes, str]:
        """Metrics in Prometheus' text form, and their content type."""
        for participant in self._rooms.participants():
            participant.count()
        self._rooms.count()
        link = self._watch.desk.stats().link
        self._watch.metrics.listeners.set(len(self.events))
        self._watch.metrics.abandoned_threads.set(sum(one.alive for one in self._watch.abandoned))
        self._watch.metrics.outbox_pending.set(link.pending)
        self._watch.metrics.broker_connected.set(link.connected)
        return self._watch.metrics.render(), CONTENT_TYPE

    def count_cut(self, reason: str) -> None:
        """Count an HTTP connection that was refused or cut."""
        self._watch.metrics.count_cut(reason)

    async def _enter(
        self,
        room_id: str,
        visitor: Visitor,
        participant_id: ParticipantId,
        open_intake: OpenIntake[Intake_co],
        begin: Callable[[Intake_co], Awaitable[str]],
        *,
        on_left: Callable[[str], None] = lambda _reason: None,
    ) -> Joined:
        """Let somebody into a room, once what ``begin`` waits for has come."""
        self._admit()
        room = self._rooms.for_publisher(room_id, visitor.owner)
        subject = Subject(
            room.call_id, participant_id, travelling_name(visitor.name), travelling_name(visitor.external_id)
        )
        session_id = _session_id()

        def gone(reason: str) -> None:
            self._gone(room, session_id, participant_id, reason)
            on_left(reason)

        participant = Participant(room_id, subject, visitor, self._watch, open_intake, gone)
        self._rooms.enter(room, participant, session_id)
        answer: str | None = None
        try:
            answer = await begin(participant.intake)
        finally:
            if answer is None:
                self._rooms.leave(room, participant_id, session_id)
        participant.start()
        logger.info("participant joined", call=room.call_id, participant=participant_id)
        return Joined(session_id, participant_id, answer)

    def _gone(self, room: Room, session_id: str, participant_id: ParticipantId, reason: str) -> None:
        self._rooms.leave(room, participant_id, session_id)
        logger.info("participant left", call=room.call_id, participant=participant_id, reason=reason)

    def _admit(self) -> None:
        if self._health.draining:
            msg = "expected a node that takes calls, this one is stopping; try another"
            raise CapacityError(msg)

    async def _end_calls(self, within: Seconds) -> None:
        ending = [
            asyncio.create_task(one.close("node_stopped"), name=f"end/{one.id}")
            for one in self._rooms.participants()
        ]
        if not ending:
            return
        ended, late = await asyncio.wait(ending, timeout=within)
        for task in late:
            logger.error("a call does not end", task=task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=LAST_STEPS)
        for task in ended:
            if error := task.exception():
                logger.error("a call did not end well", task=task.get_name(), error=str(error))

    def _told(self, alert: AlertMessage) -> AlertRecord:
        self.events.post(AlertTold(self._watch.wall(), alert))
        return record_of(alert)

    def _check_analyses(self) -> None:
        for participant in self._rooms.participants():
            # in a task of its own: one that fails keeps no other from being checked, now or in a second
            self._tasks.start("check", _call(participant.analysis.check))

    def _end_expired(self) -> None:
        now = self._watch.wall().timestamp()
        running = self._rooms.sessions()
        self._expired &= {session.id for session in running}
        for session in running:
            until = session.visitor.expires_at
            if until is not None and now >= until and session.id not in self._expired:
                self._expired.add(session.id)
                self._tasks.start("expire", session.leg.close("token_expired"))

    async def _tell_health(self) -> None:
        desk = self._watch.desk
        while True:
            if desk.stats().held:
                await asyncio.to_thread(desk.flush)
            desk.set_health(self._health.payload())
            await asyncio.sleep(HEALTH_INTERVAL)


async def _repeat(work: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(CHECK_INTERVAL)
        work()


async def _call(work: Callable[[], None]) -> None:
    work()


def _publication(room: Room, participant_id: ParticipantId) -> Publication:
    participant = room.participants.get(participant_id)
    if participant is None:
        msg = "expected a participant who is in this room, found none; GET /v1/rooms lists who is there"
        raise NotFoundError(msg)
    if not isinstance(participant.intake, Publication):
        msg = "expected a participant who publishes here, got one pulled from elsewhere; watch them there"
        raise NotFoundError(msg)
    return participant.intake


def _participant_id() -> ParticipantId:
    return f"p_{secrets.token_hex(6)}"


def _session_id() -> str:
    """128 random bits: knowing one is no right, guessing one is hopeless."""
    return secrets.token_hex(16)
