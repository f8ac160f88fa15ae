"""A thread that works off access units, so that no codec runs on the event loop."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

import structlog

from guard.core.units import Clock, Seconds
from guard.media.assembler import AccessUnit

logger = structlog.get_logger(__name__)

STOP_TIMEOUT: Seconds = 2.0
LOG_INTERVAL: Seconds = 5.0
"""Crashes of one worker are logged this far apart; all are counted."""


def attempt(work: Callable[[], None]) -> Exception | None:
    """Run what a thread is there for; return the error that ended it, None where it came to its end."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 -- the top of a thread: whoever asked tells or logs the error
        return error
    return None


class UnitWorker:
    """Hands units to ``work`` in a thread of its own, started with the first of them.

    Policy drop-to-next-keyframe: when ``capacity`` units wait, units are dropped up to the next keyframe that
    finds room. An error of ``work`` costs its unit: counted as ``crash``, logged, and the next one is taken.
    ``put`` and ``close`` belong to the event loop; neither waits nor takes a lock.
    """

    def __init__(self, name: str, capacity: int, work: Callable[[AccessUnit], None]) -> None:
        # The thread counts crashes: their place is there from the start, so that readers see no dict grow.
        self.dropped: Counter[str] = Counter(crash=0)
        self._name = name
        self._capacity = capacity
        self._work = work
        # Bounded by put: the standard bounded queue takes a lock that would block the event loop.
        self._units: SimpleQueue[AccessUnit | None] = SimpleQueue()
        self._skipping = True
        self._closed = False
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()
        self._next_log: Seconds = 0.0

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
                    self._take(unit, loop.time)
        finally:
            loop.call_soon_threadsafe(self._ended.set)

    def _take(self, unit: AccessUnit, clock: Clock) -> None:
        error = attempt(partial(self._work, unit))
        if error is None:
            return
        self.dropped["crash"] += 1
        if (now := clock()) >= self._next_log:
            self._next_log = now + LOG_INTERVAL
            logger.error(
                "unit lost to a crash", worker=self._name, lost=self.dropped["crash"], exc_info=error
            )
