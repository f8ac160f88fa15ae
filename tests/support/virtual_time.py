"""An event loop on which time passes only when nobody has anything left to do."""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE_S = 1.0
"""A thread that works for the loop is waited for so long, in real time, before the clock jumps on."""


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer it moves the loop's clock to it."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Real events first; then, where only timers are left, jump."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self.loop.jobs:
            ready = super().select(PATIENCE_S)
        if not ready and timeout is not None:
            self.loop.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at time 0; ``time()`` is a Clock to hand in. Jobs in threads take no virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.jobs = 0
        selector = JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Hold the clock while the job runs."""
        job = super().run_in_executor(executor, func, *args)
        self.jobs += 1
        job.add_done_callback(self._job_done)
        return job

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109, ARG002 -- the base's name
        """Hold the clock while the threads end, else their timeout fires at once."""
        self.jobs += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self.jobs -= 1

    def _job_done(self, _job: asyncio.Future[T]) -> None:
        self.jobs -= 1
