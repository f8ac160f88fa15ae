"""One node: its rooms, the sessions in them, and what all of them share."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import structlog

import guard
from guard.alerts.desk import AlertDesk, open_desk
from guard.alerts.lifecycle import Participant as Subject
from guard.alerts.message import EngineDigest, Issuer, travelling_name
from guard.config import Settings
from guard.core.errors import CapacityError, NotFoundError
from guard.core.types import Cue
from guard.core.units import Clock, ParticipantId, Seconds, WallClock
from guard.decision.judge import ParticipantJudge
from guard.detectors.registry import build_detectors
from guard.faces.landmarker import load_model
from guard.faces.tracker import FaceTracker
from guard.flow.tasks import Tasks
from guard.inference.open import LoadedEngine, open_engine
from guard.media.publication import Subscription
from guard.media.transport import check_adapter
from guard.session.participant import Participant, ParticipantStatus, Watch
from guard.session.pipeline import Pipeline
from guard.telemetry.metrics import CONTENT_TYPE, Metrics
from guard.telemetry.stamps import Percentiles, StageTimes

logger = structlog.get_logger(__name__)

HEALTH_INTERVAL: Seconds = 10.0


@dataclass(frozen=True, slots=True)
class Joined:
    """A session that has begun."""

    session_id: str
    participant_id: ParticipantId
    answer: str


@dataclass(frozen=True, slots=True)
class Session:
    """One WHIP or WHEP session."""

    id: str
    room: str
    owner: str
    """Who made it and may end it."""
    publisher: ParticipantId | None
    """Whom a subscriber watches; None for a publisher's own session."""
    leg: Participant | Subscription


@dataclass(slots=True)
class Room:
    """Who is in a room."""

    id: str
    call_id: str
    """Made by us; names the call in topics."""
    participants: dict[ParticipantId, Participant] = field(default_factory=dict)
    subscribers: set[str] = field(default_factory=set)
    """Their session ids."""


@dataclass(frozen=True, slots=True)
class RoomStatus:
    """A room as it looks from outside."""

    id: str
    participants: tuple[ParticipantStatus, ...]
    subscribers: int


class Node:
    """Rooms and sessions of one process. Everything here belongs to the event loop."""

    def __init__(self, settings: Settings, watch: Watch, engines: tuple[LoadedEngine, ...]) -> None:
        self._settings = settings
        self._watch = watch
        self._engines = engines
        self._rooms: dict[str, Room] = {}
        self._sessions: dict[str, Session] = {}
        self._tasks = Tasks("node", on_crash=watch.metrics.count_crash)
        self._mqtt: asyncio.Task[None] | None = None
        self._draining = False

    async def start(self) -> None:
        """Begin to deliver alerts and to tell health."""
        self._mqtt = self._tasks.keep("mqtt", self._watch.desk.link.run)
        self._tasks.keep("health", self._tell_health)
        for terms in self.weight_terms():
            logger.info("weights in use", terms=terms)

    async def stop(self) -> None:
        """End every call, deliver what can be delivered, close everything."""
        self._draining = True
        people = [participant for room in self._rooms.values() for participant in room.participants.values()]
        ended = await asyncio.gather(*(one.close("node_stopped") for one in people), return_exceptions=True)
        for failure in ended:
            if isinstance(failure, BaseException):
                logger.error("a call did not end well", error=str(failure))
        if not await self._watch.desk.close():
            logger.warning("alerts wait in the outbox", pending=self._watch.desk.stats().link.pending)
        await self._tasks.close()
        for loaded in self._engines:
            loaded.engine.deactivate()

    async def publish(self, room_id: str, name: str, owner: str, offer_sdp: str) -> Joined:
        """Let a publisher in; raise SignallingError, UnsupportedCodec or CapacityError.

        ``name`` is shown to people, ``owner`` is who may end the session.
        """
        self._admit()
        room = self._room_for_publisher(room_id)
        subject = Subject(room.call_id, f"p_{secrets.token_hex(6)}", display_name=travelling_name(name))
        session_id = _session_id()
        gone = partial(self._publisher_gone, room, session_id, subject)
        participant = Participant(subject, self._watch, gone)
        self._rooms[room_id] = room
        room.participants[participant.id] = participant
        self._sessions[session_id] = Session(session_id, room_id, owner, None, participant)
        answer: str | None = None
        try:
            answer = await participant.answer(offer_sdp)
        finally:
            if answer is None:
                self._forget_publisher(room, session_id, participant.id)
        self._count()
        logger.info("participant joined", call=room.call_id, participant=participant.id)
        return Joined(session_id, participant.id, answer)

    async def subscribe(
        self, room_id: str, participant_id: ParticipantId, owner: str, offer_sdp: str
    ) -> Joined:
        """Let a subscriber watch one participant; raise NotFoundError, SignallingError or CapacityError."""
        self._admit()
        room = self._rooms.get(room_id)
        participant = room.participants.get(participant_id) if room else None
        if room is None or participant is None:
            msg = "expected a participant who is in this room, found none; GET /v1/rooms lists who is there"
            raise NotFoundError(msg)
        _require_space(
            "subscribers in this room", len(room.subscribers), self._settings.media.room_subscribers
        )
        session_id = _session_id()
        room.subscribers.add(session_id)
        ended = partial(self._forget_subscriber, room, session_id)
        joined: tuple[Subscription, str] | None = None
        try:
            joined = await participant.publication.subscribe(offer_sdp, lambda _reason: ended())
        finally:
            if joined is None:
                ended()
        subscription, answer = joined
        self._sessions[session_id] = Session(session_id, room_id, owner, participant_id, subscription)
        self._count()
        return Joined(session_id, participant_id, answer)

    def session(self, session_id: str) -> Session:
        """A session that runs; raise NotFoundError."""
        session = self._sessions.get(session_id)
        if session is None:
            msg = "no such session; it has ended"
            raise NotFoundError(msg)
        return session

    async def add_candidates(self, session_id: str, fragment: str) -> None:
        """Take trickled ICE candidates of a session; raise NotFoundError or SignallingError."""
        leg = self.session(session_id).leg
        await (leg.publication if isinstance(leg, Participant) else leg).add_candidates(fragment)

    async def leave(self, session_id: str) -> None:
        """End a session; raise NotFoundError."""
        await self.session(session_id).leg.close("left")

    def rooms(self) -> Iterator[RoomStatus]:
        """The rooms as they are now."""
        for room in self._rooms.values():
            people = tuple(participant.status() for participant in room.participants.values())
            yield RoomStatus(room.id, people, len(room.subscribers))

    def stages(self) -> dict[str, Percentiles]:
        """Where the newest frames' milliseconds went."""
        return self._watch.stages.summary()

    def not_ready(self) -> tuple[str, ...]:
        """Why this node should get no new calls; empty when it may."""
        reasons = ["the node is stopping"] if self._draining else []
        if self._mqtt is not None and self._mqtt.done() and not self._draining:
            reasons.append("alerts are not delivered: the MQTT link crashed too often; see the log, restart")
        stats = self._watch.desk.stats()
        if stats.held:
            reasons.append(f"the outbox takes no alerts: {stats.held} are held in memory; free disk space")
        return tuple(reasons)

    def weight_terms(self) -> tuple[str, ...]:
        """The terms of the weights in use, one line an engine."""
        return tuple(loaded.manifest.engine.terms() for loaded in self._engines)

    def metrics_page(self) -> tuple[bytes, str]:
        """Metrics in Prometheus' text form, and their content type."""
        for room in self._rooms.values():
            for participant in room.participants.values():
                participant.count()
        link = self._watch.desk.stats().link
        self._watch.metrics.outbox_pending.set(link.pending)
        self._watch.metrics.broker_connected.set(link.connected)
        return self._watch.metrics.render(), CONTENT_TYPE

    def _admit(self) -> None:
        if self._draining:
            msg = "expected a node that takes calls, this one is stopping; try another"
            raise CapacityError(msg)

    def _room_for_publisher(self, room_id: str) -> Room:
        limits = self._settings.media
        room = self._rooms.get(room_id)
        if room is None:
            _require_space("rooms on this node", len(self._rooms), limits.rooms)
            return Room(room_id, f"c_{secrets.token_hex(6)}")
        _require_space("publishers in this room", len(room.participants), limits.room_participants)
        return room

    def _publisher_gone(self, room: Room, session_id: str, subject: Subject, reason: str) -> None:
        self._forget_publisher(room, session_id, subject.participant_id)
        logger.info("participant left", call=room.call_id, participant=subject.participant_id, reason=reason)

    def _forget_publisher(self, room: Room, session_id: str, participant_id: ParticipantId) -> None:
        self._sessions.pop(session_id, None)
        room.participants.pop(participant_id, None)
        if not room.participants and self._rooms.get(room.id) is room:
            del self._rooms[room.id]
        self._count()

    def _forget_subscriber(self, room: Room, session_id: str) -> None:
        self._sessions.pop(session_id, None)
        room.subscribers.discard(session_id)
        self._count()

    def _count(self) -> None:
        metrics = self._watch.metrics
        metrics.calls.set(len(self._rooms))
        metrics.participants.set(sum(len(room.participants) for room in self._rooms.values()))
        metrics.subscribers.set(sum(len(room.subscribers) for room in self._rooms.values()))

    async def _tell_health(self) -> None:
        while True:
            if self._watch.desk.stats().held:
                await asyncio.to_thread(self._watch.desk.flush)
            self._watch.desk.set_health(json.dumps(self._health()).encode())
            await asyncio.sleep(HEALTH_INTERVAL)

    def _health(self) -> dict[str, object]:
        people = [status for room in self.rooms() for status in room.participants]
        stages = {stage: {"p50": times.p50, "p95": times.p95} for stage, times in self.stages().items()}
        pending = self._watch.desk.stats().link.pending
        return {
            "rooms": len(self._rooms),
            "participants": len(people),
            "judged_fps": {status.id: round(status.judged_fps, 2) for status in people},
            "stage_ms": stages,
            "outbox_pending": pending,
            "not_ready": self.not_ready(),
        }


def open_node(settings: Settings, clock: Clock, wall: WallClock) -> Node:
    """Build a node: check the adapter, the face model and the engines, open the outbox. Reads files: blocks.

    Raises EnvironmentProblem, ModelError or ConfigError, each naming what was found and how to mend it.
    """
    check_adapter()
    model = load_model(settings.faces)
    names = settings.analysis
    engines = {
        Cue.FACE_MANIPULATION: open_engine(names.manipulation_engine, names.engines_dir),
        Cue.FACE_PRESENTATION: open_engine(names.presentation_engine, names.engines_dir),
    }
    desk = _open_desk(settings, tuple(engines.values()), wall)

    def make_pipeline() -> Pipeline:
        make_faces = partial(FaceTracker, settings.faces, model)
        make_detectors = partial(build_detectors, list(engines.items()))
        return Pipeline(make_faces, make_detectors, ParticipantJudge(settings.decision), clock)

    watch = Watch(
        settings.media,
        settings.ice,
        settings.analysis.fps,
        make_pipeline,
        desk,
        Metrics(),
        StageTimes(),
        clock,
    )
    return Node(settings, watch, tuple(engines.values()))


def _open_desk(settings: Settings, engines: tuple[LoadedEngine, ...], wall: WallClock) -> AlertDesk:
    digests = tuple(
        EngineDigest(name=one.manifest.engine.name, sha256=one.manifest.engine.sha256) for one in engines
    )
    terms = tuple(one.manifest.engine.terms() for one in engines)
    issuer = Issuer(settings.mqtt.node, guard.__version__, settings.decision.raise_at, digests, terms)
    return open_desk(settings.alerts, settings.mqtt, issuer, wall)


def _session_id() -> str:
    """128 random bits: knowing one is no right, guessing one is hopeless."""
    return secrets.token_hex(16)


def _require_space(what: str, taken: int, limit: int) -> None:
    if taken >= limit:
        msg = f"{what}: expected fewer than {limit}, there are {taken}; try again later"
        raise CapacityError(msg)
