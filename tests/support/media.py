"""Callers for tests: drawn clips, packets of units, peers on loopback, an endpoint without a network."""

import asyncio
import time
from collections.abc import Callable, Iterator

import httpx
import numpy as np

from guard.config import IceSettings
from guard.core.types import VideoFrame
from guard.core.units import Seconds
from guard.media.assembler import AccessUnit, Assembler, Codec, Packet
from guard.media.client import FORMATS, VIDEO_FORMATS
from guard.media.encode import AudioEncoder, VideoEncoder
from guard.media.forwarder import UnitQueue
from guard.media.publication import Publication, Subscription
from guard.media.signalling import OPUS
from guard.media.transport import Peer
from guard.media.turn import IceServer, link_value

LOOPBACK = IceSettings(host_addresses=("127.0.0.1",), allow_loopback=True)
DEADLINE_S = 20.0


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, now: Seconds = 100.0) -> None:
        self.now = now

    def __call__(self) -> Seconds:
        return self.now


async def eventually(condition: Callable[[], object]) -> None:
    """Let the loop run until something holds; fail after 20 s."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 -- conditions of any kind, some of other threads
            await asyncio.sleep(0)


def drawn_frames(count: int, width: int = 160, height: int = 120, fps: float = 30.0) -> Iterator[VideoFrame]:
    """A slanted wave that moves: every frame differs from the others."""
    rows, columns = np.mgrid[0:height, 0:width]
    grey = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    for number in range(count):
        luma = (128 + 80 * np.sin((columns + 2 * rows + 5 * number) / 17)).astype(np.uint8)
        yield VideoFrame(y=luma, u=grey, v=grey, pts=number / fps, arrived_at=0.0, decoded_at=0.0)


def encoded_units(codec: Codec, count: int, *, keyframe_every: int = 0, **size: int) -> list[AccessUnit]:
    """Drawn frames through the product's encoder, a keyframe every so many (0: only the first)."""
    frames = list(drawn_frames(count, **size))
    encoder = VideoEncoder(codec, frames[0].width, frames[0].height, 30.0, 400_000)
    units: list[AccessUnit] = []
    for number, frame in enumerate(frames):
        if keyframe_every and number % keyframe_every == 0:
            encoder.force_keyframe()
        units += encoder.encode(frame)
    return units


def tone(seconds: Seconds) -> list[AccessUnit]:
    """A voice of 440 Hz as Opus, heard at 1 s."""
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(48_000 * seconds)) / 48_000)
    return AudioEncoder().encode(samples.astype(np.float32), at=1.0)


def unit(number: int, *, keyframe: bool = False, codec: Codec = Codec.VP8) -> AccessUnit:
    """A unit that no decoder would take, told from others by its payload."""
    payload = bytes([0 if keyframe else 1]) + number.to_bytes(4, "big")
    return AccessUnit(codec, payload, number * 3000 & 0xFFFFFFFF, number / 30, keyframe, number / 30)


def packets_of(
    units: list[AccessUnit], *, first: int = 0, size: int = 3, restarts: bool = False
) -> list[Packet]:
    """The RTP payloads of units, ``size`` bytes each, numbered from ``first``; a packet arrives every ms."""
    packets: list[Packet] = []
    for one in units:
        parts = [one.payload[at : at + size] for at in range(0, len(one.payload), size)]
        for place, part in enumerate(parts):
            packets.append(
                Packet(
                    codec=one.codec,
                    sequence_number=(first + len(packets)) & 0xFFFF,
                    timestamp=one.rtp_timestamp,
                    marker=place == len(parts) - 1,
                    starts=place == 0,
                    payload=part,
                    arrived_at=len(packets) / 1000,
                    restarts=restarts and not packets,
                    number=first + len(packets),
                )
            )
    return packets


class LoopbackPublisher:
    """A publishing peer without HTTP, fed unit by unit."""

    def __init__(self, codec: Codec, *, audio: bool = False) -> None:
        self.keyframes_wanted = 0
        self.states: list[str] = []
        self.video = UnitQueue(200, time.monotonic)
        self.audio = UnitQueue(200, time.monotonic)
        self.peer = Peer(LOOPBACK, time.monotonic, self.states.append, offers=True)
        self.peer.send(FORMATS[codec], self.video, self._keyframe_wanted)
        if audio:
            self.peer.send(OPUS, self.audio, lambda: None)

    async def join(self, publication: Publication) -> None:
        """Offer, take the answer, wait until units would be sent."""
        await self.peer.accept(await publication.answer(await self.peer.offer()))
        await eventually(lambda: self.video.needs_keyframe)

    def _keyframe_wanted(self) -> None:
        self.keyframes_wanted += 1


class LoopbackSubscriber:
    """A receiving peer without HTTP that keeps the units it gets."""

    def __init__(self, *, audio: bool = False) -> None:
        self.video: list[AccessUnit] = []
        self.audio: list[AccessUnit] = []
        self.closed: list[str] = []
        self._assemblers: dict[Codec, Assembler] = {}
        self.peer = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True)
        self.track = self.peer.receive("video", VIDEO_FORMATS, self._take)
        if audio:
            self.peer.receive("audio", (OPUS,), self._take)

    async def join(self, publication: Publication) -> Subscription:
        """Offer, take the answer, wait until a keyframe is waited for."""
        subscription, answer = await publication.subscribe(await self.peer.offer(), self.closed.append)
        await self.peer.accept(answer)
        leg = subscription._leg
        assert leg is not None
        await eventually(lambda: leg.needs_keyframe)
        return subscription

    def _take(self, packet: Packet) -> None:
        assembler = self._assemblers.setdefault(packet.codec, Assembler(packet.codec))
        kept = self.audio if packet.codec is Codec.OPUS else self.video
        kept += assembler.push(packet)


class FakeEndpoint(httpx.AsyncBaseTransport):
    """A WHIP and WHEP endpoint about one publication, answering in this process.

    ``servers`` are named ahead of an offer; ``changed`` is what becomes of an answer.
    """

    def __init__(
        self,
        publication: Publication,
        servers: tuple[IceServer, ...] = (),
        changed: Callable[[str], str] = lambda answer: answer,
    ) -> None:
        self.publication = publication
        self.servers = servers
        self.changed = changed
        self.subscriptions: list[Subscription] = []
        self.deleted: list[str] = []
        self.tokens: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        path = request.url.path
        if request.method == "DELETE":
            self.deleted.append(path)
            return httpx.Response(200)
        if request.method == "OPTIONS":
            return httpx.Response(204, headers=[("Link", link_value(server)) for server in self.servers])
        offer = await request.aread()
        if path.startswith("/whip"):
            answer = await self.publication.answer(offer)
        else:
            subscription, answer = await self.publication.subscribe(offer, lambda _: None)
            self.subscriptions.append(subscription)
        return httpx.Response(201, text=self.changed(answer), headers={"Location": f"{path}/1"})


class RefusingEndpoint(httpx.AsyncBaseTransport):
    """Answers every request with one response, or with no connection where there is none."""

    def __init__(self, response: httpx.Response | None) -> None:
        self._response = response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._response is None:
            msg = "refused"
            raise httpx.ConnectError(msg, request=request)
        return self._response
