"""A thread that works off access units, so that no codec runs on the event loop."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue

from guard.core.units import Seconds
from guard.media.assembler import AccessUnit

STOP_TIMEOUT: Seconds = 5.0


class UnitWorker:
    """Hands units to ``work`` in a thread of its own, started with the first of them.

    Policy drop-to-next-keyframe: when ``capacity`` units wait, units are dropped up to the next keyframe that
    finds room. ``put`` and ``close`` belong to the event loop; neither waits nor takes a lock.
    """

    def __init__(self, name: str, capacity: int, work: Callable[[AccessUnit], None]) -> None:
        self.dropped: Counter[str] = Counter()
        self._name = name
        self._capacity = capacity
        self._work = work
        # Bounded by put: the standard bounded queue takes a lock that would block the event loop.
        self._units: SimpleQueue[AccessUnit | None] = SimpleQueue()
        self._skipping = True
        self._closed = False
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()

    @property
    def needs_keyframe(self) -> bool:
        """Whether nothing is let in before a keyframe."""
        return self._skipping and self._thread is not None

    def put(self, unit: AccessUnit) -> None:
        """Leave a unit; never waits."""
        if self._closed or self._ended.is_set():
            return
        full = self._units.qsize() >= self._capacity
        if full or (self._skipping and not unit.keyframe):
            self._skipping = True
            self.dropped["overflow" if full else "no_keyframe"] += 1
            return
        self._skipping = False
        if self._thread is None:
            self._start(asyncio.get_running_loop())
        self._units.put(unit)

    async def close(self) -> None:
        """End the thread after the unit in hand, and wait for it."""
        self._closed = True
        if self._thread is None:
            return
        self._units.put(None)
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._ended.wait()
        except TimeoutError:
            return  # the work hangs; the thread is a daemon and dies with the process
        while self._thread.is_alive():  # noqa: ASYNC110 -- its last instructions; join would block the loop
            await asyncio.sleep(0)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._thread = threading.Thread(target=self._run, args=(loop,), name=self._name, daemon=True)
        self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while (unit := self._units.get()) is not None:
                if not self._closed:
                    self._work(unit)
        finally:
            loop.call_soon_threadsafe(self._ended.set)
