"""The event loop that commands run on: uvloop where there is one for this machine."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)
"""The standard library's: a command that configured no log must not find lines of ours on its stdout."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to its end on the quickest loop there is, as asyncio.run would."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes a loop: of uvloop, or where it cannot be imported of asyncio."""
    try:
        import uvloop  # noqa: PLC0415 -- commands without a loop do without
    except ImportError as error:
        logger.debug("asyncio's own event loop serves, without uvloop: %s", error)
        return asyncio.new_event_loop

    class Loop(uvloop.Loop):
        async def create_datagram_endpoint(self, *args: Any, **kwargs: Any) -> Any:
            """As asyncio's: who is cancelled meanwhile leaves no socket behind (seen with uvloop 0.23)."""
            opening = self.create_task(super().create_datagram_endpoint(*args, **kwargs))
            try:
                return await asyncio.shield(opening)
            except asyncio.CancelledError:
                opening.add_done_callback(_close_endpoint)
                raise

    return Loop


def _close_endpoint(opening: asyncio.Task[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()
