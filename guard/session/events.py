"""Live events of a node: what happens, to whoever listens, without ever waiting for them.

An ``Event`` is one of ``Joined``, ``Left``, ``StateChanged``, ``AlertTold`` and ``Stopping``.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import count
from typing import ClassVar, TypeAlias

from guard.alerts.message import AlertMessage
from guard.core.errors import CapacityError
from guard.core.units import ParticipantId
from guard.session.status import ParticipantStatus

WAITING = 256
"""Events that wait for one listener, and as many states beside them."""

STREAMS_PER_OWNER = 8
"""Listeners of one person."""

RESERVED = 16
"""Places that are kept for those who look after the node."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody's video is under watch from here on."""

    name: ClassVar[str] = "joined"
    at: datetime
    room: str
    participant: ParticipantStatus


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody's video has ended."""

    name: ClassVar[str] = "left"
    at: datetime
    room: str
    participant_id: ParticipantId
    reason: str


@dataclass(frozen=True, slots=True)
class StateChanged:
    """How somebody is judged now."""

    name: ClassVar[str] = "state"
    at: datetime
    room: str
    participant: ParticipantStatus


@dataclass(frozen=True, slots=True)
class AlertTold:
    """An alert was raised, changed or cleared, or somebody took it in hand."""

    name: ClassVar[str] = "alert"
    at: datetime
    alert: AlertMessage


@dataclass(frozen=True, slots=True)
class Stopping:
    """The node takes no more calls and will end those there are."""

    name: ClassVar[str] = "stopping"
    at: datetime


Event: TypeAlias = Joined | Left | StateChanged | AlertTold | Stopping

Wants: TypeAlias = Callable[[Event], bool]


class Listener:
    """The events that one listener wants, oldest first.

    Policy newest-wins for the state of a participant, in the place of the one that waits; drop-oldest for
    everything else, which states cannot push out. ``dropped`` counts what was lost, not what was replaced.
    """

    def __init__(self, wants: Wants, owner: str, *, reserved: bool = False) -> None:
        self.dropped = 0
        self.wants = wants
        self.owner = owner
        self.reserved = reserved
        self._waiting: dict[ParticipantId | int, Event] = {}
        self._numbers = count()
        self._news = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        """Leave an event; never waits. For the event loop only."""
        key = event.participant.id if isinstance(event, StateChanged) else next(self._numbers)
        if key not in self._waiting:
            self._make_room(type(key))
        self._waiting[key] = event
        self._news.set()

    def close(self) -> None:
        """No more comes: what waits may still be taken."""
        self._closed = True
        self._news.set()

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events as they come, until the node stops."""
        while self._waiting or not self._closed:
            if self._waiting:
                yield self._waiting.pop(next(iter(self._waiting)))
            else:
                self._news.clear()
                await self._news.wait()

    def _make_room(self, kind: type[ParticipantId | int]) -> None:
        if len(self._waiting) < WAITING:
            return
        alike = [key for key in self._waiting if isinstance(key, kind)]
        if len(alike) >= WAITING:
            del self._waiting[alike[0]]
            self.dropped += 1


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

    def __len__(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def start(self) -> None:
        """Belong to the running loop from here on."""
        self._loop = asyncio.get_running_loop()

    def post(self, event: Event) -> None:
        """Tell all who listen."""
        self._call(partial(self._hand_out, event))

    def post_made(self, make: Callable[[], Iterable[Event]]) -> None:
        """Tell all who listen, if any, what ``make`` gives, which is called on the event loop."""
        if self._listeners:
            self._call(lambda: self._hand_out_made(make))

    @contextmanager
    def listen(self, wants: Wants, owner: str, *, reserved: bool = False) -> Iterator[Listener]:
        """Hear the events of a kind as this person; raise CapacityError where too many listen.

        Some places are kept for those who ask with ``reserved``.
        """
        self._require_place(owner, reserved=reserved)
        listener = Listener(wants, owner, reserved=reserved)
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

    def _require_place(self, owner: str, *, reserved: bool) -> None:
        for_all = max(1, self._capacity - RESERVED)
        theirs = sum(listener.owner == owner for listener in self._listeners)
        unreserved = sum(not listener.reserved for listener in self._listeners)
        if theirs >= STREAMS_PER_OWNER:
            msg = f"expected fewer than {STREAMS_PER_OWNER} live event streams of yours; close one first"
        elif len(self._listeners) >= self._capacity or (not reserved and unreserved >= for_all):
            places = self._capacity if reserved else for_all
            msg = f"expected fewer than {places} live event streams, there are as many; try again later"
        else:
            return
        raise CapacityError(msg)

    def _call(self, work: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has closed, and nobody listens any more
                self._loop.call_soon_threadsafe(work)

    def _hand_out(self, event: Event) -> None:
        for listener in self._listeners:
            if listener.wants(event):
                listener.put(event)

    def _hand_out_made(self, make: Callable[[], Iterable[Event]]) -> None:
        for event in make():
            self._hand_out(event)

    def _close(self) -> None:
        self._closed = True
        for listener in self._listeners:
            listener.close()
