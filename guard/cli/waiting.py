"""Until Ctrl-C: how a command that runs on is told to stop, and that it then does."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from guard.core.units import Seconds

logger = structlog.get_logger(__name__)


class LastResort:
    """Ends the process when its time is over, even where a thread waits for a disk.

    Such a thread cannot be ended, and Python waits for it at its end. ``status`` is the exit
    status then.
    """

    def __init__(self) -> None:
        self.status = 1

    def arm(self, within: Seconds) -> None:
        """End the process ``within`` so long, unless it has ended by itself."""
        timer = threading.Timer(within, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        threads = [one.name for one in threading.enumerate() if not one.daemon]
        logger.error("process ended by force", status=self.status, threads=threads)
        os._exit(self.status)


@contextmanager
def until_interrupted(also: Callable[[], None] = lambda: None) -> Iterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set, instead of ending the process; the first calls ``also``."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def interrupt() -> None:
        if not stop.is_set():
            stop.set()
            also()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def first(*works: Coroutine[Any, Any, object]) -> None:
    """Do all of it until one has ended, and break off the others; raise what the one raises."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
