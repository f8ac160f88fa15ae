"""What a caller is who receives: a WHEP subscriber."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from guard.config import IceSettings, MediaSettings
from guard.core.errors import MediaError
from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.media.assembler import AccessUnit, Assembler, Codec, Packet
from guard.media.client import VIDEO_FORMATS, ClientPeer
from guard.media.decode import VideoDecoder
from guard.media.keyframes import KeyframeRequests
from guard.media.signalling import OPUS
from guard.media.turn import IceServer

if TYPE_CHECKING:
    from guard.media.rtp.inbound import InboundTrack

KEYFRAME_INTERVAL: Seconds = 0.5


@dataclass(frozen=True, slots=True)
class SubscriberStats:
    """What a subscriber received."""

    units: int
    """Whole pictures."""
    keyframes: int
    bytes: int
    audio_units: int
    decoded: int
    decode_errors: int
    lost_packets: int
    keyframe_requests: int
    dropped: dict[str, int]
    """By place and reason, such as ``assemble.gap`` or ``decode.overflow``."""
    first_unit_s: Seconds | None
    """From start() to the first whole picture."""
    fps: float
    """Pictures a second from the first to the last."""


class WhepSubscriber:
    """Receives what one publisher sends: counts it, hands it on, decodes it where ``on_frame`` is given.

    ``on_unit`` is called on the event loop with video and audio units, ``on_frame`` in the decoder's thread.
    Whoever sends a picture beyond the ``limits`` is heard no more: it has ``ended``, and was ``refused``.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        clock: Clock,
        ice: IceSettings | None = None,
        servers: tuple[IceServer, ...] | None = None,
        relay_only: bool = False,
        audio: bool = False,
        on_unit: Callable[[AccessUnit], None] = lambda _: None,
        on_frame: Callable[[VideoFrame], None] | None = None,
        limits: MediaSettings | None = None,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.heard_at: Seconds = clock()
        """When the newest packet came."""
        self.refused = False
        self._limits = limits or MediaSettings()
        self._clock = clock
        self._audio = audio
        self._on_unit = on_unit
        self._decoder = self._make_decoder(on_frame) if on_frame is not None else None
        self._connection = ClientPeer(
            url, token, ice or IceSettings(), clock, http, servers=servers, relay_only=relay_only
        )
        self._track: InboundTrack | None = None
        self._assemblers: dict[Codec, Assembler] = {}
        self._keyframe_requests = KeyframeRequests(KEYFRAME_INTERVAL)
        self._units = self._keyframes = self._bytes = self._audio_units = 0
        self._began_at: Seconds = 0.0
        self._first_at: Seconds | None = None
        self._last_at: Seconds = 0.0

    @property
    def ended(self) -> asyncio.Event:
        """Set when the other side has ended the call."""
        return self._connection.ended

    async def start(self) -> None:
        """Join and wait until media can flow; raise a GuardError with the endpoint's words."""
        self._began_at = self._clock()
        peer = self._connection.peer
        self._track = peer.receive("video", VIDEO_FORMATS, self._on_packet)
        if self._audio:
            peer.receive("audio", (OPUS,), self._on_packet)
        await self._connection.connect()

    async def stop(self) -> None:
        """Leave; calling it twice is harmless."""
        await self._connection.close()
        if self._decoder is not None:
            await self._decoder.close()

    def request_keyframe(self) -> None:
        """Ask for a keyframe (PLI)."""
        self._keyframe_requests.want()
        if self._track is not None and self._keyframe_requests.due(self._clock()):
            self._track.send_pli()

    def stats(self) -> SubscriberStats:
        """What came so far."""
        first = self._first_at
        span = 0.0 if first is None else self._last_at - first
        return SubscriberStats(
            units=self._units,
            keyframes=self._keyframes,
            bytes=self._bytes,
            audio_units=self._audio_units,
            decoded=self._decoder.frames if self._decoder else 0,
            decode_errors=self._decoder.errors if self._decoder else 0,
            lost_packets=self._track.lost if self._track else 0,
            keyframe_requests=self._keyframe_requests.sent,
            dropped=self._dropped(),
            first_unit_s=None if first is None else first - self._began_at,
            fps=(self._units - 1) / span if span > 0 else 0.0,
        )

    def _make_decoder(self, on_frame: Callable[[VideoFrame], None]) -> VideoDecoder:
        limits = self._limits
        return VideoDecoder(
            self._clock, on_frame, queue_units=limits.decode_queue_units, max_pixels=limits.max_pixels
        )

    def _dropped(self) -> dict[str, int]:
        places = {
            "datagram": self._connection.peer.dropped,
            "fault": self._connection.peer.faults,
            "receive": self._track.dropped if self._track else Counter[str](),
            "assemble": sum((one.discarded for one in self._assemblers.values()), Counter[str]()),
            "decode": self._decoder.dropped if self._decoder else Counter[str](),
        }
        return {f"{place}.{why}": n for place, reasons in places.items() for why, n in reasons.items() if n}

    def _on_packet(self, packet: Packet) -> None:
        if self.refused:
            return
        self.heard_at = packet.arrived_at
        assembler = self._assemblers.get(packet.codec)
        if assembler is None:
            assembler = Assembler(packet.codec, max_bytes=self._limits.max_access_unit_bytes)
            self._assemblers[packet.codec] = assembler
        try:
            units = assembler.push(packet)
        except MediaError:
            self._refuse()
            return
        for unit in units:
            self._take_unit(unit)
        if packet.codec.kind == "video" and assembler.needs_keyframe:
            self.request_keyframe()

    def _take_unit(self, unit: AccessUnit) -> None:
        width, height = unit.size or (0, 0)
        if width * height > self._limits.max_pixels:
            self._refuse()
        if self.refused:
            return
        if unit.codec is Codec.OPUS:
            self._audio_units += 1
        else:
            self._take_picture(unit)
        self._on_unit(unit)

    def _refuse(self) -> None:
        self.refused = True
        self.ended.set()

    def _take_picture(self, unit: AccessUnit) -> None:
        self._units += 1
        self._keyframes += unit.keyframe
        self._bytes += len(unit.payload)
        self._first_at = unit.arrived_at if self._first_at is None else self._first_at
        self._last_at = unit.arrived_at
        if self._decoder is not None:
            self._decoder.put(unit)
            if self._decoder.needs_keyframe:
                self.request_keyframe()
