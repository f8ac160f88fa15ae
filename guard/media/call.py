"""One call with a peer, watched until it ends for one reason."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from guard.config import IceSettings
from guard.core.errors import NotFoundError, SignallingError, UnsupportedRestart
from guard.core.units import Clock, Seconds
from guard.media.gates import Limits
from guard.media.offers import take_offer
from guard.media.signalling import Offer, Role, read_fragment
from guard.media.transport import Peer

logger = structlog.get_logger(__name__)

WATCH_INTERVAL: Seconds = 0.5
REPORT_INTERVAL: Seconds = 10.0
"""A call that is sent what it refuses says so once in this time."""

HARMLESS = ("candidate_denied", "mdns", "early")
"""Refused in ordinary calls too: a browser names addresses that lead nowhere from here, and begins to send
before it has agreed on keys."""

STATE_REASONS = {"failed": "ice_failed", "closed": "left"}
"""Why a call ended, by the state of its peer connection."""


async def settle(*steps: Awaitable[None]) -> None:
    """Take the steps of an end together; what one raises is logged and keeps no other from its end."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if outcome is not None:
            logger.error("step of an end failed", exc_info=outcome)


class Call:
    """A peer with its time-outs; ``finish`` hears the one reason after the peer has closed.

    ``name`` is ours and stands in the log. ``overdue`` may name a reason why a connected call should end by
    itself, given the time; one that goes on sending far beyond its ``limits``
    is ended with ``flood``, see ``DatagramGate``.
    """

    def __init__(
        self,
        name: str,
        ice: IceSettings,
        clock: Clock,
        finish: Callable[[str], Awaitable[None]],
        overdue: Callable[[Seconds], str | None] = lambda _: None,
        *,
        limits: Limits,
    ) -> None:
        self.peer = Peer(ice, clock, self._state_changed, limits=limits)
        self._name = name
        self._clock = clock
        self._finish = finish
        self._overdue = overdue
        self._connect_by = clock() + ice.connect_timeout_s
        self._connected = False
        self._ending: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._ice_ufrag = ""
        self._told: Counter[str] = Counter()
        self._tell_at = clock()

    @property
    def ended(self) -> bool:
        """Whether the end has begun."""
        return self._ending is not None

    async def take_offer(self, text: str | bytes, role: Role) -> Offer:
        """Read an offer to be answered, see ``offers.take_offer``; NotFoundError where ``end`` was called."""
        offer = await take_offer(text, role)
        if self.ended:
            raise await self._ended_meanwhile()
        return offer

    async def answer(self, offer: Offer) -> str:
        """Answer an offer and begin to watch.

        Raises SignallingError where it cannot be answered: the peer is closed, ``finish`` hears nothing; and
        NotFoundError where ``end`` was called meanwhile: ``finish`` has heard the reason.
        """
        self._ice_ufrag = offer.ice_ufrag
        self.peer.dropped["candidate"] += offer.left_out
        answer: str | None = None
        try:
            answer = await self.peer.answer(offer)
        except SignallingError:
            if not self.ended:  # else the closed peer refused
                raise
        finally:
            if answer is None:
                await self.peer.close()
        if answer is None or self.ended:
            raise await self._ended_meanwhile()
        self._watching = asyncio.create_task(self._watch())
        return answer

    async def add_candidates(self, text: str | bytes) -> None:
        """Take trickled candidates (RFC 8840); raise UnsupportedRestart for other ICE credentials."""
        fragment = read_fragment(text)
        if fragment.ice_ufrag not in {None, self._ice_ufrag}:
            msg = (
                "trickle: expected the offer's ice-ufrag, got another; ICE restart is not offered, post anew"
            )
            raise UnsupportedRestart(msg)
        self.peer.dropped["candidate"] += fragment.left_out
        await self.peer.add_candidates(fragment)

    async def _ended_meanwhile(self) -> NotFoundError:
        """What to raise once all of it has ended."""
        await self.close("left")
        return NotFoundError(
            "call: expected it to last until it was answered, it was ended before; call again"
        )

    def end(self, reason: str) -> asyncio.Task[None]:
        """Begin to end, for the first reason given; the task is done when everything has ended."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(reason))
        return self._ending

    async def close(self, reason: str) -> None:
        """End and wait until everything has ended; calling it twice is harmless."""
        await asyncio.shield(self.end(reason))

    def due_reason(self, now: Seconds) -> str | None:
        """Why the call should end by itself now, if it should."""
        if not self._connected:
            return "connect_timeout" if now >= self._connect_by else None
        if self.peer.gate.flooding:
            return "flood"
        return self._overdue(now)

    def _state_changed(self, state: str) -> None:
        self._connected = self._connected or state == "connected"
        if state in STATE_REASONS and self._watching is not None:
            self.end(STATE_REASONS[state])

    async def _watch(self) -> None:
        reason = None
        while reason is None:
            await asyncio.sleep(WATCH_INTERVAL)
            now = self._clock()
            self._tell_refused(now)
            reason = self.due_reason(now)
        self.end(reason)

    def _tell_refused(self, now: Seconds) -> None:
        if now < self._tell_at:
            return
        refused = self.peer.dropped + self.peer.faults
        news = refused - self._told
        for reason in HARMLESS:
            del news[reason]
        if news:
            logger.warning("call refuses what it is sent", call=self._name, counts=dict(news))
            self._told, self._tell_at = refused, now + REPORT_INTERVAL

    async def _end(self, reason: str) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await settle(self.peer.close())
        await settle(self._finish(reason))
