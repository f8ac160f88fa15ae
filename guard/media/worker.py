"""Threads beside the event loop: one that works off access units, so that no codec runs on the loop."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

import structlog

from guard.core.units import Seconds
from guard.media.assembler import AccessUnit

logger = structlog.get_logger(__name__)

STOP_TIMEOUT: Seconds = 2.0
LOG_INTERVAL: Seconds = 5.0
"""Crashes of one worker are logged this far apart; all are counted."""

HANGS_AFTER: Seconds = 5.0
"""A thread at one unit for so long hangs: the slowest picture takes a hundredth of it."""

MOST_LEFT_BEHIND = 2
"""Threads of one worker that hang; it starts no more then."""

Work: TypeAlias = Callable[[AccessUnit], None]


def attempt(work: Callable[[], None]) -> Exception | None:
    """Run what a thread is there for; return the error that ended it, None where it came to its end."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 -- the top of a thread: whoever asked tells or logs the error
        return error
    return None


class Thread:
    """A thread, started at once, whose end the running event loop can wait for."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self._ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(work, loop), name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    async def wait(self) -> None:
        """Wait for its end; where it hangs not for long: it is a daemon and dies with the process."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._ended.wait()
                while self.alive:  # noqa: ASYNC110 -- its last instructions; join would block the loop
                    await asyncio.sleep(0)

    def _run(self, work: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        try:
            work()
        finally:
            with suppress(RuntimeError):  # it hung until the loop had closed: nobody waits any more
                loop.call_soon_threadsafe(self._ended.set)


class Line:
    """Units that wait for one thread, and the thread, of which others see only how far it came."""

    def __init__(self, name: str, work: Work, now: Seconds) -> None:
        # Bounded by who puts: the standard bounded queue takes a lock that would block the event loop.
        self._units: SimpleQueue[AccessUnit | None] = SimpleQueue()
        self._work = work
        self._put = self._done = self._seen_done = 0
        self._seen_at = now
        self._closed = False
        self.thread = Thread(name, self._run)

    @property
    def waiting(self) -> int:
        """Units that no one has in hand."""
        return self._units.qsize()

    @property
    def unfinished(self) -> int:
        """Units that wait or are in hand."""
        return self._put - self._done

    def put(self, unit: AccessUnit) -> None:
        """Leave a unit; never waits."""
        self._put += 1
        self._units.put(unit)

    def hangs(self, now: Seconds) -> bool:
        """Whether it made no progress with a unit for ``HANGS_AFTER``; asked before each put."""
        if self._done != self._seen_done or not self.unfinished:
            self._seen_done, self._seen_at = self._done, now
        return now - self._seen_at >= HANGS_AFTER

    def close(self) -> None:
        """End the thread after the unit in hand."""
        self._closed = True
        self._units.put(None)

    def _run(self) -> None:
        while (unit := self._units.get()) is not None:
            if not self._closed:
                self._work(unit)
            self._done += 1


class UnitWorker:
    """Hands units to what ``make_work`` gives, in a thread of its own, started with the first of them.

    Policy drop-to-next-keyframe: when ``capacity`` units wait, units are dropped up to the next keyframe that
    finds room. An error of the work costs its unit: counted as ``crash``, logged, and the next one is taken.
    A thread that hangs is left behind with its units (counted as ``hang``); from the next keyframe on another
    one goes on with new work. The second time the worker has ``given_up``. ``put`` and ``close`` belong to
    the event loop; neither waits nor takes a lock.
    """

    def __init__(self, name: str, capacity: int, make_work: Callable[[], Work]) -> None:
        # The thread counts crashes: their place is there from the start, so that readers see no dict grow.
        self.dropped: Counter[str] = Counter(crash=0)
        self.given_up = False
        self._name = name
        self._capacity = capacity
        self._make_work = make_work
        self._line: Line | None = None
        self._left_behind: list[Line] = []
        self._skipping = True
        self._begun = False
        self._closed = False
        self._next_log: Seconds = 0.0

    @property
    def needs_keyframe(self) -> bool:
        """Whether nothing is let in before a keyframe."""
        return self._skipping and self._begun

    def put(self, unit: AccessUnit) -> None:
        """Leave a unit; never waits."""
        if self._line is not None and self._line.hangs(unit.arrived_at):
            self._leave_behind(self._line)
        if self._closed or self.given_up:
            return
        full = self._line is not None and self._line.waiting >= self._capacity
        if full or (self._skipping and not unit.keyframe):
            self.refuse("overflow" if full else "no_keyframe")
            return
        self._skipping = False
        self._line = self._line or self._started(unit.arrived_at)
        self._line.put(unit)

    def refuse(self, reason: str) -> None:
        """Drop a unit, and all that follow up to the next keyframe."""
        self._skipping = True
        self.dropped[reason] += 1

    async def close(self) -> None:
        """End the thread after the unit in hand, and wait for it."""
        self._closed = True
        if self._line is not None:
            self._line.close()
            await self._line.thread.wait()

    def _started(self, now: Seconds) -> Line:
        self._begun = True
        return Line(self._name, partial(self._take, self._make_work()), now)

    def _leave_behind(self, line: Line) -> None:
        line.close()
        self.dropped["hang"] += line.unfinished
        self._left_behind = [one for one in (*self._left_behind, line) if one.thread.alive]
        self._line, self._skipping = None, True
        self.given_up = len(self._left_behind) >= MOST_LEFT_BEHIND
        logger.error("thread hangs and is left behind", worker=self._name, given_up=self.given_up)

    def _take(self, work: Work, unit: AccessUnit) -> None:
        error = attempt(partial(work, unit))
        if error is None:
            return
        self.dropped["crash"] += 1
        if unit.arrived_at >= self._next_log:
            self._next_log = unit.arrived_at + LOG_INTERVAL
            logger.error(
                "unit lost to a crash", worker=self._name, lost=self.dropped["crash"], exc_info=error
            )
