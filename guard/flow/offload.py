"""Synchronous work off the loop: a few named threads with a bounded line before them."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from guard.core.errors import CapacityError

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Policy refuse-newest: with ``waiting`` jobs in line the next one raises CapacityError and is counted.

    With one thread (the default) jobs run one after another in the order they came, so that the worker may
    own an object which is not thread-safe. Call it from one event loop only.
    """

    def __init__(self, name: str, *, threads: int = 1, waiting: int = 8) -> None:
        self.refused = 0
        self._name = name
        self._limit = threads + waiting
        self._jobs = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``work`` in a thread and return what it returns or raise what it raises.

        A cancelled caller leaves at once; its job still runs to the end and keeps its place until then.
        """
        if self._jobs >= self._limit:
            self.refused += 1
            msg = f"{self._name}: its line of {self._limit} jobs is full; offer fewer or give it more room"
            raise CapacityError(msg)
        call = partial(contextvars.copy_context().run, work, *args, **kwargs)
        job = asyncio.get_running_loop().run_in_executor(self._pool, call)
        self._jobs += 1
        job.add_done_callback(self._job_done)
        return await asyncio.shield(job)

    def _job_done(self, _job: asyncio.Future[T]) -> None:
        self._jobs -= 1

    async def close(self) -> None:
        """Drop the jobs in line, let the running one end, and wait for the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._pool.shutdown)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
