"""Reads offers beside the event loop: a thread each, so many at once, and each with a deadline."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from guard.core.errors import CapacityError, GuardError, SignallingError
from guard.core.units import Seconds
from guard.media.signalling import Offer, Role, read_offer

AT_ONCE: Final = 32
"""Offers being read; each takes a few milliseconds."""

DEADLINE: Seconds = 2.0

_PLACES = threading.BoundedSemaphore(AT_ONCE)
"""One for each thread that reads; a thread gives it back by itself, also when nobody waits any more."""


async def take_offer(text: str | bytes, role: Role, *, within: Seconds = DEADLINE) -> Offer:
    """Read an offer in a thread of its own, see ``read_offer``.

    Raises SignallingError also for whatever else a parser may raise, and for an offer that is not read
    ``within`` so long; CapacityError while as many as may be are being read.
    """
    reading = _begin(text, role)
    done, _ = await asyncio.wait([reading], timeout=within)
    if not done:
        reading.add_done_callback(asyncio.Future.exception)  # nobody asks for it any more
        msg = f"SDP offer: expected one that is read within {within:g} s, got a longer one; offer less"
        raise SignallingError(msg)
    error = reading.exception()
    if error is None or isinstance(error, GuardError):
        return reading.result()
    msg = f"SDP offer: expected a WebRTC offer (RFC 9429), got {type(error).__name__} from reading it"
    raise SignallingError(msg) from error


def _begin(text: str | bytes, role: Role) -> asyncio.Future[Offer]:
    if not _PLACES.acquire(blocking=False):
        msg = f"offers: expected at most {AT_ONCE} to be read at once, got one more; try again"
        raise CapacityError(msg)
    pool = ThreadPoolExecutor(1, "offer")
    try:
        return asyncio.get_running_loop().run_in_executor(pool, _read, text, role)
    except RuntimeError as error:  # the system gives no further thread
        _PLACES.release()
        msg = f"offers: expected a thread to read this one, got none: {error}; try again"
        raise CapacityError(msg) from error
    finally:
        pool.shutdown(wait=False)  # its thread ends with this offer


def _read(text: str | bytes, role: Role) -> Offer:
    try:
        return read_offer(text, role)
    finally:
        _PLACES.release()
