"""Who is where: rooms and sessions of one node, within its limits."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from guard.config import MediaSettings
from guard.core.errors import CapacityError, NotFoundError
from guard.core.units import ParticipantId
from guard.media.publication import Subscription
from guard.session.participant import Intake, Participant
from guard.session.status import ParticipantStatus
from guard.session.visitor import Visitor
from guard.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Session:
    """One WHIP or WHEP session, or somebody who is pulled from elsewhere."""

    id: str
    room: str
    visitor: Visitor
    """Who began it."""
    publisher: ParticipantId | None
    """Whom a subscriber watches; None for a publisher's own session."""
    leg: Participant[Intake] | Subscription

    @property
    def owner(self) -> str:
        """Who may end it."""
        return self.visitor.owner


@dataclass(frozen=True, slots=True)
class RoomStatus:
    """A room as it looks from outside."""

    id: str
    participants: tuple[ParticipantStatus, ...]
    subscribers: int


@dataclass(slots=True)
class Room:
    """Who is in a room."""

    id: str
    call_id: str
    """Made by us; names the call in topics."""
    participants: dict[ParticipantId, Participant[Intake]] = field(default_factory=dict)
    subscribers: dict[str, str] = field(default_factory=dict)
    """Their session ids, and whose they are."""

    def status(self) -> RoomStatus:
        """The room as it is now, with those who have begun."""
        people = tuple(one.status() for one in self.participants.values() if one.joined)
        return RoomStatus(self.id, people, len(self.subscribers))


class Rooms:
    """The rooms in which somebody publishes, and all sessions. Belongs to the event loop."""

    def __init__(self, limits: MediaSettings, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._rooms: dict[str, Room] = {}
        self._sessions: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Room]:
        return iter(self._rooms.values())

    def __len__(self) -> int:
        return len(self._rooms)

    def participants(self) -> list[Participant[Intake]]:
        """Everybody who publishes or is pulled."""
        return list(chain.from_iterable(room.participants.values() for room in self))

    def sessions(self) -> list[Session]:
        """All sessions that run."""
        return list(self._sessions.values())

    def find(self, room_id: str) -> Room | None:
        """A room in which somebody publishes, if there is one."""
        return self._rooms.get(room_id)

    def room(self, room_id: str) -> Room:
        """A room in which somebody publishes; raise NotFoundError."""
        room = self._rooms.get(room_id)
        if room is None:
            msg = "expected a room in which somebody publishes, found none; GET /v1/rooms lists them"
            raise NotFoundError(msg)
        return room

    def session(self, session_id: str) -> Session:
        """A session that runs; raise NotFoundError."""
        session = self._sessions.get(session_id)
        if session is None:
            msg = "no such session; it has ended"
            raise NotFoundError(msg)
        return session

    def for_publisher(self, room_id: str, owner: str) -> Room:
        """The room, or a new one, where it has space for a publisher of this person; raise CapacityError."""
        self._require_session()
        room = self._rooms.get(room_id)
        if room is None:
            _require_space("rooms on this node", len(self._rooms), self._limits.rooms)
            return Room(room_id, f"c_{secrets.token_hex(6)}")
        _require_space("publishers in this room", len(room.participants), self._limits.room_participants)
        theirs = sum(one.visitor.owner == owner for one in room.participants.values())
        _require_own_space("publishers", theirs, self._limits.person_publications)
        return room

    def for_subscriber(self, room_id: str, owner: str) -> Room:
        """The room, where it has space for a subscriber of this person.

        Raise NotFoundError or CapacityError.
        """
        room = self.room(room_id)
        self._require_session()
        _require_space("subscribers in this room", len(room.subscribers), self._limits.room_subscribers)
        theirs = list(room.subscribers.values()).count(owner)
        _require_own_space("subscribers", theirs, self._limits.person_subscriptions)
        return room

    def enter(self, room: Room, participant: Participant[Intake], session_id: str) -> None:
        """Let a participant into the room."""
        self._rooms[room.id] = room
        room.participants[participant.id] = participant
        self._sessions[session_id] = Session(session_id, room.id, participant.visitor, None, participant)
        self.count()

    def leave(self, room: Room, participant_id: ParticipantId, session_id: str) -> None:
        """Forget a participant, and the room where it was the last; doing it twice is harmless."""
        self._sessions.pop(session_id, None)
        room.participants.pop(participant_id, None)
        if not room.participants and self._rooms.get(room.id) is room:
            del self._rooms[room.id]
        self.count()

    def watch(self, session: Session) -> None:
        """Note a subscriber's session, for which ``reserve`` was called before."""
        self._sessions[session.id] = session
        self.count()

    def reserve(self, room: Room, session_id: str, owner: str) -> None:
        """Keep a subscriber's place while its offer is answered."""
        room.subscribers[session_id] = owner

    def unwatch(self, room: Room, session_id: str) -> None:
        """Forget a subscriber; doing it twice is harmless."""
        self._sessions.pop(session_id, None)
        room.subscribers.pop(session_id, None)
        self.count()

    def count(self) -> None:
        """Bring the gauges up to date."""
        people = self.participants()
        self._metrics.calls.set(len(self._rooms))
        self._metrics.participants.set(len(people))
        self._metrics.subscribers.set(sum(len(room.subscribers) for room in self))
        self._metrics.degraded_participants.set(sum(one.analysis.given_up is not None for one in people))

    def _require_session(self) -> None:
        # those whose offer is just being answered have their place in a room, but no session yet
        taken = sum(len(room.participants) + len(room.subscribers) for room in self)
        _require_space("sessions on this node", taken, self._limits.sessions)


def _require_space(what: str, taken: int, limit: int) -> None:
    if taken >= limit:
        msg = f"{what}: expected fewer than {limit}, there are {taken}; try again later"
        raise CapacityError(msg)


def _require_own_space(what: str, taken: int, limit: int) -> None:
    if taken >= limit:
        msg = f"{what} of yours in this room: expected fewer than {limit}, there are {taken}; end one first"
        raise CapacityError(msg)
