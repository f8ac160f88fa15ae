"""A participant pulled from elsewhere by WHEP, beside an SFU: watched like any other, relayed to nobody."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import httpx

from guard.config import IceSettings, MediaSettings
from guard.core.errors import NotFoundError
from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.core.windows import Pace
from guard.media.assembler import AccessUnit, Codec
from guard.media.call import settle
from guard.media.publication import PublicationStats
from guard.media.subscriber import WhepSubscriber
from guard.media.turn import IceServer

WATCH_INTERVAL: Seconds = 0.5


class Pull:
    """The video of a WHEP endpoint, within the same limits as that of our own publishers.

    ``on_frame`` is called in the decoder's thread, ``on_closed`` once on the event loop, after everything has
    ended, with ``source_ended``, ``idle``, ``frame_policy`` or what close() was given. All methods belong to
    the event loop. TURN ``servers`` are those handed in, or with None those that the endpoint names. ``http``
    replaces the network in tests.
    """

    def __init__(  # noqa: PLR0917 -- called once, by the node
        self,
        url: str,
        token: str,
        media: MediaSettings,
        ice: IceSettings,
        servers: tuple[IceServer, ...] | None,
        clock: Clock,
        http: httpx.AsyncBaseTransport | None,
        on_frame: Callable[[VideoFrame], None],
        on_closed: Callable[[str], None],
    ) -> None:
        self._idle_after = media.idle_timeout_s
        self._clock = clock
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._subscriber = WhepSubscriber(
            url,
            token,
            clock=clock,
            ice=ice,
            servers=servers,
            on_unit=self._take_unit,
            on_frame=self._take_frame,
            limits=media,
            http=http,
        )
        self._joining: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._codec: Codec | None = None
        self._size = (0, 0)
        self._pace = Pace()
        self._units = 0

    @property
    def units(self) -> int:
        """Video access units received whole; any thread may ask."""
        return self._units

    async def join(self) -> None:
        """Join the endpoint and begin to receive.

        Raises a GuardError with the endpoint's words, then ``on_closed`` is not called; and NotFoundError
        where close() was called meanwhile, then it has been called.
        """
        self._joining = asyncio.create_task(self._subscriber.start(), name="pull/join")
        try:
            await self._joining
        except asyncio.CancelledError:
            if self._ending is None:
                raise
        if self._ending is not None:
            await self.close()
            msg = "attach: expected it to last until it was answered, it was ended before; attach again"
            raise NotFoundError(msg)
        self._watching = asyncio.create_task(self._watch(), name="pull/watch")

    def stats(self) -> PublicationStats:
        """What passed so far."""
        received = self._subscriber.stats()
        return PublicationStats(
            codec=self._codec,
            width=self._size[0],
            height=self._size[1],
            units=self._units,
            bytes=received.bytes,
            fps=self._pace.rate(self._clock()),
            lost_packets=received.lost_packets,
            subscribers=0,
            forwarded=0,
            decoded=received.decoded,
            decode_errors=received.decode_errors,
            keyframe_requests=received.keyframe_requests,
            dropped=received.dropped,
            forward_ms=None,
        )

    async def close(self, reason: str = "left") -> None:
        """Leave the endpoint and wait until everything has ended; calling it twice is harmless."""
        await asyncio.shield(self._end(reason))

    def _end(self, reason: str) -> asyncio.Task[None]:
        if self._ending is None:
            self._ending = asyncio.create_task(self._close(reason), name="pull/close")
        return self._ending

    async def _close(self, reason: str) -> None:
        started = {task for task in (self._joining, self._watching) if task is not None}
        for task in started:
            task.cancel()
        if started:
            await asyncio.wait(started)
        await settle(self._subscriber.stop())
        self._on_closed(reason)

    async def _watch(self) -> None:
        ended = self._subscriber.ended
        while not ended.is_set():
            if self._clock() - self._subscriber.heard_at >= self._idle_after:
                self._end("idle")
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), WATCH_INTERVAL)
        self._end("frame_policy" if self._subscriber.refused else "source_ended")

    def _take_unit(self, unit: AccessUnit) -> None:
        self._units += 1
        self._codec = unit.codec
        self._pace.add(unit.arrived_at)

    def _take_frame(self, frame: VideoFrame) -> None:
        self._size = (frame.width, frame.height)
        self._on_frame(frame)
