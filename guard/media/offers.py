"""Reads offers beside the event loop: one at a time, the others in a bounded line, each with a deadline."""

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from guard.core.errors import CapacityError, GuardError, SignallingError
from guard.core.units import Seconds
from guard.media.signalling import Offer, Role, read_offer

LINE: Final = 32
"""Offers being read or waiting for it; each takes a few milliseconds, the dearest some twenty."""

DEADLINE: Seconds = 2.0


async def take_offer(text: str | bytes, role: Role, *, within: Seconds = DEADLINE) -> Offer:
    """Read an offer in another thread, see ``read_offer``.

    Raises SignallingError also for whatever else a parser may raise, and for an offer that is not read
    ``within`` so long; CapacityError for one whose turn does not come until then, and while the line is full.
    """
    place = _line.join(text, role)
    reading = asyncio.wrap_future(place)
    reading.add_done_callback(_heed)
    try:
        done, _ = await asyncio.wait([reading], timeout=within)
    finally:
        unread = place.cancel()
    if not done and unread:
        msg = f"offers: expected to read this one within {within:g} s, got others before it; try again"
        raise CapacityError(msg)
    if not done:
        msg = f"SDP offer: expected one that is read within {within:g} s, got a longer one; offer less"
        raise SignallingError(msg)
    error = reading.exception()
    if error is None or isinstance(error, GuardError):
        return reading.result()
    msg = f"SDP offer: expected a WebRTC offer (RFC 9429), got {type(error).__name__} from reading it"
    raise SignallingError(msg) from error


def _heed(reading: asyncio.Future[Offer]) -> None:
    """Ask for the error of what nobody may wait for any more, or asyncio would complain of it."""
    if not reading.cancelled():
        reading.exception()


class _Line:
    """Offers in the order they came; one thread reads them, and ends with the last.

    Parsing is Python: more threads at it would keep the event loop from running.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._length = 0

    def join(self, text: str | bytes, role: Role) -> Future[Offer]:
        """Have an offer read; raise CapacityError where too many wait, or where no thread is to be had."""
        with self._lock:
            if self._length >= LINE:
                msg = f"offers: expected at most {LINE} to be read or waiting, got one more; try again"
                raise CapacityError(msg)
            pool = self._pool or ThreadPoolExecutor(1, "offer")
            try:
                place = pool.submit(read_offer, text, role)
            except RuntimeError as error:  # the system gives no further thread
                pool.shutdown(wait=False)
                msg = f"offers: expected a thread to read this one, got none: {error}; try again"
                raise CapacityError(msg) from error
            self._pool = pool
            self._length += 1
        place.add_done_callback(self._leave)
        return place

    def _leave(self, _: Future[Offer]) -> None:
        with self._lock:
            self._length -= 1
            if self._length == 0 and self._pool is not None:
                self._pool.shutdown(wait=False)
                self._pool = None


_line = _Line()
