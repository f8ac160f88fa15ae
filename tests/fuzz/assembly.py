"""What keeps something between packets: the assembler of access units, and the track before it.

An input is a script: three bytes of limits, then five for each packet (see ``packets``). So mutations change
numbers, timestamps, marks and payloads of whole sequences.
"""

from collections.abc import Callable, Iterator
from math import isfinite
from types import SimpleNamespace
from typing import Any, cast

from guard.core.errors import MediaError
from guard.core.units import Seconds
from guard.media.assembler import MAX_UNIT_PACKETS, Assembler, Codec, Packet, Unwrapper
from guard.media.rtp.inbound import InboundTrack
from guard.media.rtp.packet import Rtp
from guard.media.rtp.reception import MAX_MISSING
from tests.fuzz.loop import Target
from tests.support.media import ManualClock

HEADER = 3
RECORD = 5
MAX_RECORDS = 64
CODECS = tuple(Codec)
BODIES = (
    b"\x50\x2d\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(20),  # VP8: a keyframe of 320 x 240
    b"\x51\x2d\x00" + bytes(20),  # VP8: an interframe
    b"\0\0\0\1\x67\x42\xe0\x1f\xda\x05\x07\xe4" + b"\0\0\0\1\x65\x88\x84" + bytes(8),  # H.264: SPS and IDR
    b"\0\0\0\1\x41\x9a\x02" + bytes(8),  # H.264: a slice
    b"",  # padding
    b"\0\0\1\x67" * 5,  # more parameter sets than there may be
    b"\0\0\1\x41" * 1025,  # more NAL units than there may be
    bytes(1400),
)
PAYLOADS = (
    *(b"\x10" + frame for frame in BODIES[:2]),  # with the descriptor of a first packet
    b"\x00" + bytes(40),  # a later packet
    b"\x90\x80\x81\x02" + BODIES[1],  # with a picture id
    b"",
    b"\x90\xf0",  # torn
    b"\0\7\x10" + BODIES[0],  # what a retransmission carries
    b"\x00" + bytes(1400),
)
"""BODIES as VP8 comes in RTP packets (RFC 7741 section 4.2)."""

SSRC, OWN_SSRC = 0x11223344, 0x55667788
"""In the seeds: of the stream that is received, and of the one that is sent."""

VIDEO, RESENT = 96, 97


def packets(script: bytes, bodies: tuple[bytes, ...]) -> Iterator[tuple[Rtp, bool, bool, Seconds]]:
    """Packets of a script, whether a unit may begin there, whether the stream begins anew, and the time.

    Flags: 1 marker, 2 starts, 4 restarts, 8 the next picture, 16 a leap, 32 backwards, 64 any timestamp,
    128 another stream: a retransmission, or a stranger's.
    """
    number, timestamp, now = 0, 0, 0.0
    for at in range(HEADER, min(len(script), HEADER + MAX_RECORDS * RECORD) - RECORD + 1, RECORD):
        flags, step, body, length, wait = script[at : at + RECORD]
        ahead = step * 257 if flags & 16 else step & 7
        number = (number + (-ahead if flags & 32 else ahead)) & 0xFFFF
        timestamp = (timestamp + 3000 * bool(flags & 8)) & 0xFFFFFFFF
        given = step << 24 if flags & 64 else timestamp
        now += wait / 1000
        payload = bodies[body % len(bodies)]
        payload = payload[: -length or None] if body & 0x80 else payload + bytes(length)
        foreign = bool(flags & 128)
        packet = Rtp(
            RESENT if foreign and body & 1 else VIDEO,
            bool(flags & 1),
            number,
            given,
            SSRC + foreign,
            payload,
            int(now * (1 << 18)) + step & 0xFFFFFF if length & 1 else None,
        )
        yield packet, bool(flags & 2), bool(flags & 4), now


def check_assembler(script: bytes) -> None:
    """The bounds hold after every packet, nothing but MediaError comes out, no unit follows on a gap."""
    codec, window, much = script[:HEADER] if len(script) >= HEADER else (0, 0, 0)
    assembler = Assembler(CODECS[codec % 3], window=1 + window % 64, max_bytes=1 + much * 16)
    torn, extend = True, Unwrapper(16)
    for packet, starts, restarts, now in packets(script, BODIES):
        if restarts:
            extend.forget()
        number = extend(packet.sequence_number)
        given = Packet(assembler.codec, *packet[2:4], packet.marker, starts, packet.payload, now, restarts)
        given = given._replace(number=number)
        torn = check_push(assembler, given, torn=torn)


def check_push(assembler: Assembler, packet: Packet, *, torn: bool) -> bool:
    """Push a packet; return whether the next unit has to be a keyframe."""
    taken, late = assembler.takes(packet), assembler.discarded["late"]
    try:
        units = assembler.push(packet)
    except MediaError:
        units, torn = [], True
    assert taken == (assembler.discarded["late"] == late)
    assert len(assembler._waiting) <= assembler._window
    assert sum(len(part.payload) for part in assembler._parts) == assembler._bytes <= assembler._max_bytes
    assert len(assembler._parts) <= MAX_UNIT_PACKETS
    assert min(assembler.discarded.values(), default=0) >= 0
    for unit in units:
        assert unit.keyframe or not torn
        assert unit.payload
        assert isfinite(unit.pts)
        torn = False
    return torn or assembler.needs_keyframe


def inbound_track(on_packet: Callable[[Packet], None], clock: ManualClock) -> InboundTrack:
    """A track of video that has no peer to send to."""
    ours: Any = SimpleNamespace(sender=SimpleNamespace(_ssrc=OWN_SSRC))
    track = InboundTrack(
        "video", ours, on_packet, clock, on_report=lambda _: None, allow=lambda estimate: estimate
    )
    track._codecs, track._carried = {VIDEO: Codec.VP8}, {RESENT: VIDEO}
    cast("Any", track)._ask_later = lambda _: None  # the script says when to ask, no timer
    return track


def check_track(script: bytes) -> None:
    """A track takes any sequence of packets; what it remembers of what is missing is bounded."""
    clock, assembler, torn = ManualClock(0.0), Assembler(Codec.VP8), True

    def push(packet: Packet) -> None:
        nonlocal torn
        torn = check_push(assembler, packet, torn=torn)

    track = inbound_track(push, clock)
    for packet, asks, _, now in packets(script, PAYLOADS):
        clock.now = now
        track.take(packet)
        assert len(track._missing._asks) <= 2 * MAX_MISSING
        if asks:
            track._ask_again()
            check_report(track)


def check_report(track: InboundTrack) -> None:
    """The figures of a report fit into their fields (RFC 3550 section 6.4.1)."""
    report = track._reception.report()
    if report is not None:
        assert 0 <= report.fraction_lost < 1 << 8
        assert -(1 << 23) <= report.packets_lost < 1 << 23
        assert 0 <= report.highest_sequence < 1 << 32
        assert 0 <= report.jitter < 1 << 32


ASSEMBLER = Target("assembler", check_assembler, 60)
TRACK = Target("track", check_track, 10)
