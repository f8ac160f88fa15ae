"""Live events of a node: what happens, to whoever listens, without ever waiting for them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import TYPE_CHECKING, TypeAlias

from guard.alerts.message import AlertMessage
from guard.core.errors import CapacityError
from guard.core.units import ParticipantId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guard.session.participant import ParticipantStatus

WAITING = 256
"""Events that wait for one listener."""


@unique
class EventKind(StrEnum):
    """What happened."""

    JOINED = "joined"
    LEFT = "left"
    STATE = "state"
    ALERT = "alert"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    kind: EventKind
    at: datetime
    room: str | None = None
    """None where it is about the whole node."""
    participant_id: ParticipantId | None = None
    owner: str | None = None
    """Whose participant it is."""
    participant: "ParticipantStatus | None" = None
    """Of ``joined`` and ``state``."""
    alert: AlertMessage | None = None
    """Of ``alert``."""
    reason: str | None = None
    """Of ``left``: why."""


Wants: TypeAlias = Callable[[Event], bool]


class Listener:
    """The events that one listener wants, oldest first. Policy drop-oldest, counted in ``dropped``."""

    def __init__(self, wants: Wants) -> None:
        self.dropped = 0
        self.wants = wants
        self._waiting: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        """Leave an event; never waits."""
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(event)
        self._ready.set()

    def close(self) -> None:
        """No more comes: what waits may still be taken."""
        self._closed = True
        self._ready.set()

    async def events(self) -> AsyncIterator[Event]:
        """The events as they come, until the node stops."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._waiting:
                yield self._waiting.popleft()
            if self._closed:
                return


class Events:
    """Hands every event to the listeners that want it. Made on the event loop; any thread may post."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Belong to the running loop from here on; what was posted before is lost."""
        self._loop = asyncio.get_running_loop()

    def post(self, event: Event) -> None:
        """Tell all who listen."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hand_out, event)

    @contextmanager
    def listen(self, wants: Wants) -> "Iterator[Listener]":
        """Hear the events of a kind; raise CapacityError where too many listen."""
        if len(self._listeners) >= self._capacity:
            msg = (
                f"expected fewer than {self._capacity} live event streams, there are as many; try again later"
            )
            raise CapacityError(msg)
        listener = Listener(wants)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every stream after what waits in it."""
        for listener in self._listeners:
            listener.close()

    def _hand_out(self, event: Event) -> None:
        for listener in self._listeners:
            if listener.wants(event):
                listener.put(event)
