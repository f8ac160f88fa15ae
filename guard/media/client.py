"""What a caller is who sends: a WHIP publisher of a clip in real time, and a peer that joins an endpoint."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from urllib.parse import urlsplit

import httpx

from guard.config import IceSettings
from guard.core.addresses import is_loopback, without_secrets
from guard.core.errors import SignallingError
from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.media.assembler import AccessUnit, Codec
from guard.media.encode import VideoEncoder, opus_unit
from guard.media.forwarder import UnitQueue
from guard.media.signalling import OPUS, Format
from guard.media.transport import Peer, machine_addresses
from guard.media.turn import IceServer
from guard.media.whip import Resource
from guard.media.worker import attempt

BACKLOG_UNITS = 60
KEYFRAME_INTERVAL: Seconds = 0.5
OPUS_SILENCE = b"\xf8\xff\xfe"
"""20 ms of silence as an Opus packet (CELT, mono)."""

OPUS_SAMPLES = 960
MAX_BEHIND: Seconds = 0.5

HERE = "127.0.0.1"

FORMATS = {Codec.VP8: Format(Codec.VP8), Codec.H264: Format(Codec.H264, "42e01f")}
VIDEO_FORMATS = (*FORMATS.values(), Format(Codec.H264, "42001f"))


class FrameSource:
    """Encodes frames in a thread of its own, in real time by their ``pts``; answers PLI with a keyframe.

    A source that falls behind by half a second drops frames and counts them in ``dropped``. One whose frames
    break off, by whatever error, ends and keeps the error in ``failure``.
    """

    def __init__(self, frames: Iterable[VideoFrame], encoder: VideoEncoder, clock: Clock) -> None:
        self.codec = encoder.codec
        self.dropped = 0
        self.keyframes_asked = 0
        """Also by ourselves, where a picture could not be sent."""
        self.ended = asyncio.Event()
        self.failure: Exception | None = None
        """Why the source ended early, if it did."""
        self._frames = frames
        self._encoder = encoder
        self._clock = clock
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, deliver: Callable[[AccessUnit], None]) -> None:
        """Begin; ``deliver`` is called on the event loop."""
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._run, args=(loop, deliver), name="frame-source", daemon=True
        )
        self._thread.start()

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        self.keyframes_asked += 1
        self._encoder.force_keyframe()

    async def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread is not None:
            await self.ended.wait()
            while self._thread.is_alive():  # noqa: ASYNC110 -- its last instructions; join would block the loop
                await asyncio.sleep(0)

    def _run(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[AccessUnit], None]) -> None:
        try:
            self.failure = attempt(partial(self._send_all, loop, deliver))
        finally:
            loop.call_soon_threadsafe(self.ended.set)

    def _send_all(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[AccessUnit], None]) -> None:
        began = self._clock()
        for frame in self._frames:
            wait = began + frame.pts - self._clock()
            if wait < -MAX_BEHIND:
                self.dropped += 1
                continue
            if self._stopping.wait(max(wait, 0.0)):
                return
            for unit in self._encoder.encode(frame):
                loop.call_soon_threadsafe(deliver, unit)


class WhipPublisher:
    """Publishes one track of video, and a silent audio track on request.

    ``start`` raises a GuardError with the endpoint's words where it refuses; ``stop`` leaves nothing behind.
    """

    def __init__(
        self,
        url: str,
        token: str,
        source: FrameSource,
        *,
        clock: Clock,
        ice: IceSettings | None = None,
        servers: tuple[IceServer, ...] | None = None,
        relay_only: bool = False,
        silence: bool = False,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._source = source
        self._silence = silence
        self._clock = clock
        self._video = UnitQueue(BACKLOG_UNITS, clock)
        self._audio = UnitQueue(BACKLOG_UNITS, clock)
        self._connection = ClientPeer(
            url, token, ice or IceSettings(), clock, http, servers=servers, relay_only=relay_only
        )

    @property
    def ended(self) -> asyncio.Event:
        """Set when the source has no more frames."""
        return self._source.ended

    @property
    def failure(self) -> Exception | None:
        """Why the source ended early, if it did."""
        return self._source.failure

    @property
    def gone(self) -> asyncio.Event:
        """Set when the other side has ended the call."""
        return self._connection.ended

    @property
    def sent(self) -> int:
        """Access units sent."""
        return self._video.sent

    @property
    def dropped(self) -> int:
        """Pictures not sent: the source fell behind, or the network did."""
        return self._source.dropped + self._video.dropped.total()

    @property
    def watch_url(self) -> str | None:
        """Where this publisher can be watched by WHEP, if the endpoint said so."""
        return self._connection.related

    async def start(self) -> None:
        """Join, and begin to send once connected."""
        peer = self._connection.peer
        peer.send(FORMATS[self._source.codec], self._video, self._source.request_keyframe)
        if self._silence:
            peer.send(OPUS, self._audio, lambda: None)
        await self._connection.connect()
        self._source.start(self._put)
        if self._silence:
            peer.spawn(self._send_silence())

    async def stop(self) -> None:
        """Leave; calling it twice is harmless."""
        await self._source.stop()
        self._video.close()
        self._audio.close()
        await self._connection.close()

    def _put(self, unit: AccessUnit) -> None:
        self._video.put(unit)
        if self._video.needs_keyframe:
            self._source.request_keyframe()

    async def _send_silence(self) -> None:
        step = OPUS_SAMPLES / Codec.OPUS.clock_rate
        began = self._clock()
        for number in count():
            self._audio.put(opus_unit(OPUS_SILENCE, number * OPUS_SAMPLES, self._clock()))
            await asyncio.sleep(max(0.0, began + (number + 1) * step - self._clock()))
            if self._connection.ended.is_set():
                return


class ClientPeer:
    """A peer that offers, joined to a WHIP or WHEP endpoint.

    TURN servers are those handed in, or where none are, not even an empty tuple, those that the endpoint
    names, at addresses where it could also have us send media. With ``relay_only`` nothing flows but through
    one of them. An endpoint on this machine is met over loopback, as ``towards`` has it.
    """

    def __init__(
        self,
        url: str,
        token: str,
        ice: IceSettings,
        clock: Clock,
        http: httpx.AsyncBaseTransport | None,
        *,
        servers: tuple[IceServer, ...] | None = None,
        relay_only: bool = False,
    ) -> None:
        ice = towards(ice, url)
        self.peer = Peer(ice, clock, self._state_changed, offers=True, relay_only=relay_only)
        self._servers = servers
        self.ended = asyncio.Event()
        """Set when the connection has failed or closed."""
        self._settled = asyncio.Event()
        self._connected = False
        self._url = url
        self._timeout = ice.connect_timeout_s
        self._resource = Resource(url, token, http)

    @property
    def related(self) -> str | None:
        """The address that the endpoint named as related."""
        return self._resource.related

    async def connect(self) -> None:
        """Offer, wait until media can flow; where that fails everything is closed and a GuardError raised."""
        try:
            await self.peer.accept(await self._resource.post(await self._offer()))
            async with asyncio.timeout(self._timeout):
                await self._settled.wait()
        except TimeoutError:
            pass
        finally:
            if not self._connected:
                await self.close()
        if not self._connected:
            msg = (
                f"{without_secrets(self._url)}: expected media to connect within {self._timeout:g} s, "
                f"got no ICE connection; "
                f"check that UDP passes and that ice.host_addresses are reachable, or take a TURN server"
            )
            raise SignallingError(msg)

    async def _offer(self) -> str:
        if self._servers is not None:
            return await self.peer.offer(self._servers)
        return await self.peer.offer(await self._resource.servers(), foreign=True)

    async def close(self) -> None:
        """DELETE the session and close the peer; calling it twice is harmless."""
        await self._resource.delete()
        await self.peer.close()

    def _state_changed(self, state: str) -> None:
        self._connected = self._connected or state == "connected"
        if state in {"connected", "failed", "closed"}:
            self._settled.set()
        if state in {"failed", "closed"}:
            self.ended.set()


def towards(ice: IceSettings, url: str) -> IceSettings:
    """The settings for a call to ``url``: one on this machine names loopback, and is offered it."""
    try:
        here = is_loopback(urlsplit(url).hostname or "")
    except ValueError:  # an IPv6 address that is none; the request will say so
        return ice
    if not here:
        return ice
    addresses = ice.host_addresses or (HERE, *machine_addresses())
    return ice.model_copy(update={"host_addresses": addresses, "allow_loopback": True})
