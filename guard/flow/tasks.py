"""Supervised tasks: each has a name and an owner, its crash is logged and counted, all end with the owner."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import structlog

from guard.core.units import Seconds

logger = structlog.get_logger(__name__)

Work: TypeAlias = Coroutine[Any, Any, None]
"""What a task runs."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Start crashed work again after ``delay``, at most ``limit`` times in ``within`` seconds."""

    limit: int = 5
    within: Seconds = 60.0
    delay: Seconds = 0.5


class Tasks:
    """Owns tasks on the running loop; leaving the ``async with`` block cancels and awaits all of them.

    A crash ends its own task only: it is logged with its traceback, counted in ``crashes`` by name, and told
    to ``on_crash``; ``given_up`` names kept work that crashed too often. Everything here belongs to the
    loop's thread.
    """

    def __init__(self, owner: str, on_crash: Callable[[str, Exception], None] | None = None) -> None:
        self.crashes: Counter[str] = Counter()
        self.given_up: list[str] = []
        self._owner = owner
        self._on_crash = on_crash
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def start(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run ``work`` once; raise RuntimeError when already closed."""
        if self._closed:
            work.close()
        task = self._spawn(name, self._supervise(name, lambda: work, None))
        task.add_done_callback(lambda _: work.close())  # cancelled before its first step: never awaited
        return task

    def keep(self, name: str, make: Callable[[], Work], policy: Restart = Restart()) -> asyncio.Task[None]:
        """Run the work that ``make`` gives, and new work after a crash, as ``policy`` allows."""
        return self._spawn(name, self._supervise(name, make, policy))

    async def close(self, patience: Seconds = 5.0) -> None:
        """Cancel everything and wait; a task that does not end within ``patience`` is named in the log."""
        self._closed = True
        ending = self._running - {asyncio.current_task()}
        for task in ending:
            task.cancel()
        if not ending:
            return
        _, stuck = await asyncio.wait(ending, timeout=patience)
        for task in stuck:
            logger.error("task does not end", owner=self._owner, task=task.get_name())

    def _spawn(self, name: str, supervised: Work) -> asyncio.Task[None]:
        if self._closed:
            supervised.close()
            msg = f"{self._owner}: cannot start {name!r}, its tasks are closed; start it before close()"
            raise RuntimeError(msg)
        task = asyncio.get_running_loop().create_task(supervised, name=f"{self._owner}/{name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _supervise(self, name: str, make: Callable[[], Work], policy: Restart | None) -> None:
        now = asyncio.get_running_loop().time
        restarts: deque[Seconds] = deque()
        while await self._crashes(name, make()) and policy is not None:
            while restarts and now() - restarts[0] > policy.within:
                restarts.popleft()
            if len(restarts) >= policy.limit:
                self.given_up.append(name)
                logger.error("task given up", owner=self._owner, task=name, restarts=policy.limit)
                return
            restarts.append(now())
            await asyncio.sleep(policy.delay)

    async def _crashes(self, name: str, work: Work) -> bool:
        try:
            await work
        except Exception as error:
            # The one place where any crash may end: it is logged with its traceback and counted.
            self.crashes[name] += 1
            logger.exception("task crashed", owner=self._owner, task=name)
            if self._on_crash is not None:
                self._on_crash(name, error)
            return True
        return False

    def __len__(self) -> int:
        return len(self._running)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
