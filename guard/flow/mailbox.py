"""A bounded hand-over between threads that keeps the newest and counts what it drops."""

import threading
from collections import deque
from typing import Generic, TypeVar

from guard.core.units import Seconds

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 -- a state, like asyncio.QueueShutDown
    """The mailbox is closed and empty."""


class Mailbox(Generic[T]):
    """Policy drop-oldest: a full mailbox loses its oldest item, never blocks the sender.

    Any thread may put and get. ``dropped`` counts what was lost.
    """

    def __init__(self, capacity: int = 1) -> None:
        if capacity < 1:
            msg = f"Mailbox: expected a capacity of at least 1, got {capacity}"
            raise ValueError(msg)
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._ready = threading.Condition()
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Leave an item; a closed mailbox ignores it."""
        with self._ready:
            if self._closed:
                return
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._ready.notify()

    def get(self, timeout: Seconds | None = None) -> T | None:
        """Wait for the oldest item; None after ``timeout``; raise Closed once closed and empty."""
        with self._ready:
            self._ready.wait_for(lambda: self._items or self._closed, timeout)
            if self._items:
                return self._items.popleft()
            if self._closed:
                raise Closed
            return None

    def close(self) -> None:
        """Wake every waiter; what is inside may still be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def __len__(self) -> int:
        return len(self._items)
