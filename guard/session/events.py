"""Live events of a node: what happens, to whoever listens, without ever waiting for them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from guard.alerts.message import AlertMessage
from guard.core.errors import CapacityError
from guard.core.units import ParticipantId

if TYPE_CHECKING:
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
        self._news = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        """Leave an event; never waits. For the event loop only."""
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(event)
        self._news.set()

    def close(self) -> None:
        """No more comes: what waits may still be taken."""
        self._closed = True
        self._news.set()

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events as they come, until the node stops."""
        while self._waiting or not self._closed:
            if self._waiting:
                yield self._waiting.popleft()
            else:
                self._news.clear()
                await self._news.wait()


class Events:
    """Hands every event to the listeners that want it.

    Any thread may post; everything else belongs to the event loop. Events arrive in the order in which they
    were posted. Before ``start`` and after the loop's end nobody hears.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._listeners: set[Listener] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def start(self) -> None:
        """Belong to the running loop from here on."""
        self._loop = asyncio.get_running_loop()

    def post(self, event: Event) -> None:
        """Tell all who listen."""
        self._call(partial(self._hand_out, event))

    def post_made(self, make: Callable[[], Event]) -> None:
        """Tell all who listen, if any, what ``make`` gives, which is called on the event loop."""
        if self._listeners:
            self._call(lambda: self._hand_out(make()))

    @contextmanager
    def listen(self, wants: Wants) -> Iterator[Listener]:
        """Hear the events of a kind; raise CapacityError where too many listen."""
        if len(self._listeners) >= self._capacity:
            msg = (
                f"expected fewer than {self._capacity} live event streams, there are as many; try again later"
            )
            raise CapacityError(msg)
        listener = Listener(wants)
        if self._closed:
            listener.close()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every stream, those to come too, after what was posted before."""
        self._call(self._close)

    def _call(self, work: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has closed, and nobody listens any more
                self._loop.call_soon_threadsafe(work)

    def _hand_out(self, event: Event) -> None:
        for listener in self._listeners:
            if listener.wants(event):
                listener.put(event)

    def _close(self) -> None:
        self._closed = True
        for listener in self._listeners:
            listener.close()
