"""RTP packets to whole access units: reordered, completed by the marker bit, never across a gap; pure."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Literal, NamedTuple, TypeAlias

from guard.core.errors import MediaError
from guard.core.units import Seconds
from guard.media.keyframes import (
    UnitHeaders,
    begins_h264_keyframe,
    is_vp8_keyframe,
    read_h264_headers,
    read_vp8_headers,
)

Kind: TypeAlias = Literal["video", "audio"]
"""What a track carries."""

REPAIR_PACKETS = 512
REPAIR_SPAN: Seconds = 1.0
"""A lost packet is asked for, waited for and kept to be sent again for so long and so many others."""

MAX_UNIT_PACKETS = 4096
"""Packets of one access unit; a unit of more is no picture but an attack."""


@unique
class Codec(StrEnum):
    """The codecs that we relay."""

    VP8 = "vp8"
    H264 = "h264"
    OPUS = "opus"

    @property
    def kind(self) -> Kind:
        """Video or audio."""
        return "audio" if self is Codec.OPUS else "video"

    @property
    def clock_rate(self) -> int:
        """Ticks of the RTP timestamp in a second."""
        return 48_000 if self is Codec.OPUS else 90_000


class Packet(NamedTuple):
    """One RTP packet after depacketisation."""

    codec: Codec
    sequence_number: int
    """0..65535."""
    timestamp: int
    """RTP timestamp, 0..2**32-1."""
    marker: bool
    """Set on the last packet of a picture; for audio on the first after a pause."""
    starts: bool
    """Whether an access unit may begin here: first VP8 partition, or no later fragment of a NAL unit."""
    payload: bytes
    """VP8 partition bytes, H.264 Annex B, or an Opus packet; empty for padding."""
    arrived_at: Seconds
    restarts: bool = False
    """Whether sequence numbers and timestamps begin anew with this packet."""
    keyframe: bool = False
    """Whether decoding can begin here."""
    rtp_payload: bytes = b""
    """What the packet carried, its descriptor included."""
    number: int = 0
    """The sequence number as it runs on over wraps, until the stream restarts."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """The encoded data of one picture, or of one audio packet."""

    codec: Codec
    payload: bytes
    """A VP8 frame, an H.264 access unit in Annex B, or an Opus packet."""
    rtp_timestamp: int
    """As the sender wrote it, 0..2**32-1."""
    pts: Seconds
    """Media time since the first unit, without wraps."""
    keyframe: bool
    """Whether decoding can begin here; always true for audio."""
    arrived_at: Seconds
    """When its last packet arrived, monotonic."""
    size: tuple[int, int] | None = None
    """Width and height that a video unit announces, None where it announces none."""


def read_headers(codec: Codec, payload: bytes) -> UnitHeaders:
    """Whether decoding can begin at this access unit and what size it announces; raise MediaError."""
    if codec is Codec.OPUS:
        return UnitHeaders(keyframe=True)
    return read_vp8_headers(payload) if codec is Codec.VP8 else read_h264_headers(payload)


def begins_keyframe(codec: Codec, payload: bytes) -> bool:
    """Whether decoding can begin at this packet, the first of a unit, by what it carries."""
    if codec is Codec.H264:
        return begins_h264_keyframe(payload)
    return codec is Codec.OPUS or is_vp8_keyframe(payload)


class Unwrapper:
    """Makes a counter of ``bits`` bits run on over its wraps."""

    def __init__(self, bits: int) -> None:
        self._span = 1 << bits
        self._last: int | None = None

    def __call__(self, value: int) -> int:
        """The value nearest to the one before that is congruent to ``value``."""
        if self._last is None:
            self._last = value
        half = self._span // 2
        self._last += (value - self._last + half) % self._span - half
        return self._last

    def forget(self) -> None:
        """Begin anew with the next value."""
        self._last = None


class MediaTime:
    """RTP timestamps to seconds since the first, running on over wraps and restarts."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._unwrap = Unwrapper(32)
        self._origin: Seconds | None = None
        self._last: tuple[Seconds, Seconds] | None = None

    def __call__(self, timestamp: int, arrived_at: Seconds) -> Seconds:
        """Media time of ``timestamp``."""
        raw = self._unwrap(timestamp) / self._rate
        if self._origin is None:
            last_pts, last_arrival = self._last or (0.0, arrived_at)
            self._origin = raw - last_pts - (arrived_at - last_arrival)
        pts = raw - self._origin
        self._last = (pts, arrived_at)
        return pts

    def restart(self) -> None:
        """The sender's timestamps begin anew: go on from the time of arrival."""
        self._unwrap.forget()
        self._origin = None


class Assembler:
    """Packets of one stream in, whole access units out, in order.

    A packet may be late by ``window`` packets or ``hold`` seconds, as long as it may still be asked for; then
    the gap is given up: what it tore is discarded, and so is everything up to the next keyframe, because
    pictures refer to those before them.
    ``needs_keyframe`` says that one should be asked for; ``discarded`` counts units and packets by reason.
    The marker bit completes a unit (RFC 7741 section 4.1, RFC 6184 section 5.1): no frame interval is lost.
    """

    def __init__(
        self,
        codec: Codec,
        *,
        window: int = REPAIR_PACKETS,
        hold: Seconds = REPAIR_SPAN,
        max_bytes: int = 2_000_000,
    ) -> None:
        self.codec = codec
        self.needs_keyframe = False
        self.discarded: Counter[str] = Counter()
        self._window = window
        self._hold = hold
        self._max_bytes = max_bytes
        self._time = MediaTime(codec.clock_rate)
        self._next: int | None = None
        self._waiting: dict[int, Packet] = {}
        self._parts: list[Packet] = []
        self._bytes = 0
        self._synced = False

    def push(self, packet: Packet) -> list[AccessUnit]:
        """Take one packet; return the units that it completes.

        Raises MediaError for a unit that is no picture but an attack; later packets may still be pushed.
        """
        if packet.restarts:
            self._restart()
        if not self.takes(packet):
            self.discarded["late"] += 1
            return []
        if self._next is None:
            self._next = packet.number
        self._waiting[packet.number] = packet
        units = self._drain()
        while self._waiting and self._overdue(packet.arrived_at):
            self._give_up_gap()
            units += self._drain()
        return units

    def takes(self, packet: Packet) -> bool:
        """Whether it comes in time, and for the first time."""
        if packet.restarts or self._next is None:
            return True
        return packet.number >= self._next and packet.number not in self._waiting

    def _restart(self) -> None:
        self._lose_sync("restart" if self._parts else None)
        self._time.restart()
        self._waiting.clear()
        self._next = None

    def _overdue(self, now: Seconds) -> bool:
        first = self._waiting[min(self._waiting)]
        return len(self._waiting) >= self._window or now - first.arrived_at >= self._hold

    def _give_up_gap(self) -> None:
        found = min(self._waiting)
        self.discarded["lost_packet"] += found - (self._next or 0)
        self._next = found
        self._lose_sync("gap" if self._parts else None)

    def _drain(self) -> list[AccessUnit]:
        units: list[AccessUnit] = []
        while self._next is not None and (packet := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            units += self._accept(packet)
        return units

    def _accept(self, packet: Packet) -> list[AccessUnit]:
        if not packet.payload:
            return []
        # A sender that sets no markers still ends a unit where the next begins.
        unmarked = self._parts and self._parts[0].timestamp != packet.timestamp
        units = self._finish() if unmarked else []
        if not self._parts and not packet.starts:
            self._lose_sync(None)
            return units
        self._parts.append(packet)
        self._bytes += len(packet.payload)
        if self._bytes > self._max_bytes or len(self._parts) > MAX_UNIT_PACKETS:
            self._lose_sync("oversize")
        elif packet.marker or self.codec is Codec.OPUS:
            units += self._finish()
        return units

    def _finish(self) -> list[AccessUnit]:
        parts, self._parts, self._bytes = self._parts, [], 0
        payload = b"".join(part.payload for part in parts)
        try:
            keyframe, size = read_headers(self.codec, payload)
        except MediaError:
            self._lose_sync("policy")
            raise
        arrived_at = parts[-1].arrived_at
        pts = self._time(parts[0].timestamp, arrived_at)
        if not (keyframe or self._synced):
            self._lose_sync("no_keyframe")
            return []
        self._synced, self.needs_keyframe = True, False
        return [AccessUnit(self.codec, payload, parts[0].timestamp, pts, keyframe, arrived_at, size)]

    def _lose_sync(self, reason: str | None) -> None:
        if reason is not None:
            self.discarded[reason] += 1
        self._parts, self._bytes = [], 0
        self._synced, self.needs_keyframe = False, True
