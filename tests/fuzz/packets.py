"""What reads one packet of media: RTP, RTCP, the payload descriptors, the headers of keyframes."""

import struct
from collections import Counter
from collections.abc import Coroutine, Iterator
from functools import cache
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpReceiveParameters
from aiortc.rtp import HeaderExtensionsMap, RtcpPacket, RtpPacket

from guard.core.errors import MediaError
from guard.media.assembler import REPAIR_PACKETS, Codec, Packet, begins_keyframe
from guard.media.keyframes import MAX_NAL_UNITS, UnitHeaders, read_h264_headers, read_vp8_headers
from guard.media.relays.packets import RESENDS_ASKED_FOR, Strand
from guard.media.rtp.history import History
from guard.media.rtp.outbound import SEND_TIME_URI, Feedback, OutboundTrack
from guard.media.rtp.packet import HeaderWriter, Rtp, read_rtp
from guard.media.rtp.payload import MAX_AGGREGATED, split_payload
from guard.media.rtp.rewrite import Rewrite
from tests.fuzz.assembly import OWN_SSRC, SSRC, VIDEO, inbound_track
from tests.fuzz.loop import Target
from tests.support.media import ManualClock

SEND_TIME_ID = 2
EXTENSIONS = HeaderExtensionsMap()
EXTENSIONS.configure(
    RTCRtpReceiveParameters(headerExtensions=[RTCRtpHeaderExtensionParameters(SEND_TIME_ID, SEND_TIME_URI)])
)
MAX_UNIT_BYTES = 2_000_000
MAX_PAYLOAD = 1400

WRAPPED = (1 << 16) + 100
FIRST_NUMBER = (1 << 16) - 300
"""What can be asked for again stands on both sides of a wrap, of the publisher's numbers and of ours."""


def check_rtp(datagram: bytes) -> None:
    """Our reader and aiortc's agree on every packet that both take, and ours takes what aiortc takes."""
    try:
        ours: Rtp | None = read_rtp(datagram, SEND_TIME_ID)
    except ValueError:
        ours = None
    if ours is not None and ours.send_time is not None:
        assert ours.send_time.to_bytes(3, "big") in datagram, "a time that is not there"
    try:
        theirs = RtpPacket.parse(datagram, EXTENSIONS)
    except (ValueError, struct.error):
        return  # also where it cannot read an extension, which ours passes over
    assert ours is not None, "aiortc takes it, we do not"
    assert ours[:6] == (
        theirs.payload_type,
        theirs.marker,
        theirs.sequence_number,
        theirs.timestamp,
        theirs.ssrc,
        theirs.payload,
    )
    assert ours.send_time is None or theirs.extensions.abs_send_time is not None


def check_rtcp(compound: bytes) -> None:
    """A compound packet goes to the tracks it is for; a report of bitrates may be torn inside."""
    try:
        packets = RtcpPacket.parse(compound)
    except ValueError:
        return
    router = _router()
    _clock().now += 1.0  # else the limit of packets sent again would soon stand before everything
    for packet in packets:
        try:
            recipients = router.route_rtcp(packet)
        except struct.error:  # of unpack_remb_fci; the adapter counts it
            continue
        for recipient in recipients:
            try:
                _run(recipient._handle_rtcp_packet(packet))
            except ValueError:  # same
                continue


@cache
def _router() -> RtpRouter:
    """A router with one track each way, as in a call; what was sent can be asked for again."""
    router, clock = RtpRouter(), _clock()
    inbound = inbound_track(lambda _: None, clock)
    inbound._gate.ssrc = SSRC
    history = History()
    strand = Strand(history, Codec.VP8, clock, Counter())
    strand._rewrite = Rewrite(FIRST_NUMBER, Codec.VP8.clock_rate)

    def resend(numbers: list[int]) -> None:
        assert all(0 <= number < 1 << 16 for number in numbers)
        before = len(wire)
        strand.resend(numbers)
        assert len(wire) - before <= min(len(numbers), RESENDS_ASKED_FOR)
        assert set(wire[before:]) <= sent, "what was never sent"
        del wire[before:]

    heard = Feedback(lambda: None, lambda: None, resend, _check_bitrate)
    outbound = OutboundTrack(inbound._transceiver, heard, Counter())
    outbound._header = HeaderWriter(VIDEO, OWN_SSRC)
    wire: list[bytes] = []

    def send(packet: bytes) -> bool:
        wire.append(packet)
        return True

    outbound._link = cast("Any", SimpleNamespace(send_rtp=send))
    strand.open(outbound)
    for packet in map(_sent_before, range(WRAPPED - REPAIR_PACKETS, WRAPPED)):
        history.put(packet)
        strand.forward(packet)
    sent = set(wire)
    wire.clear()
    router.register_receiver(cast("Any", inbound), [SSRC], [VIDEO])
    router.register_sender(outbound, OWN_SSRC)
    return router


def _sent_before(number: int) -> Packet:
    return Packet(
        Codec.VP8,
        number & 0xFFFF,
        timestamp=number,
        marker=False,
        starts=True,
        payload=b"",
        arrived_at=0.0,
        keyframe=True,
        number=number,
    )


@cache
def _clock() -> ManualClock:
    return ManualClock(0.0)


def _check_bitrate(bitrate: int) -> None:
    assert 0 <= bitrate < 1 << 81


def _run(handling: Coroutine[Any, Any, None]) -> None:
    """Run what is no coroutine but by its name: it must not wait."""
    try:
        handling.send(None)
    except StopIteration:
        return
    handling.close()
    msg = "handling an RTCP packet waits"
    raise AssertionError(msg)


def check_vp8(payload: bytes) -> None:
    """A VP8 descriptor is taken away, or the packet is refused."""
    _check_payload(Codec.VP8, payload)


def check_h264(payload: bytes) -> None:
    """H.264 packets become Annex B as aiortc makes it of them, or are refused."""
    ours = _check_payload(Codec.H264, payload)
    if ours is not None:
        theirs, nal_units = H264PayloadDescriptor.parse(payload)
        assert ours == (theirs.first_fragment, nal_units)


def _check_payload(codec: Codec, payload: bytes) -> tuple[bool, bytes] | None:
    try:
        starts, frame = split_payload(codec, payload)
    except ValueError:
        return None
    assert len(frame) <= 2 * len(payload) + 3  # an aggregate of short NAL units grows: 2 bytes to 4 each
    begins_keyframe(codec, frame) if starts else None
    return starts, frame


def costly_aggregates() -> Iterator[bytes]:
    """Packets of many NAL units: empty ones, ones of one byte, parameter sets."""
    for nal_unit in (b"", b"\x09", b"\x67\x42"):
        one = len(nal_unit).to_bytes(2, "big") + nal_unit
        yield b"\x78" + one * (MAX_PAYLOAD // len(one))
        yield b"\x78" + one * MAX_AGGREGATED
    yield b"\x78\x05\x00" + bytes(MAX_PAYLOAD)
    yield b"\x41" + b"\0\0\1" * (MAX_PAYLOAD // 3)


def check_keyframes(unit: bytes) -> None:
    """The headers of a unit are read, or the unit breaks the policy."""
    vp8 = read_vp8_headers(unit)
    assert vp8.size is None or (vp8.keyframe and max(vp8.size) < 1 << 14)
    try:
        h264: UnitHeaders = read_h264_headers(unit)
    except MediaError:
        return
    assert h264.size is None or min(h264.size) >= 16


def costly_units() -> Iterator[bytes]:
    """Units of the largest size: all start codes, all parameter sets, a parameter set without an end."""
    yield b"\0\0\1" * (MAX_UNIT_BYTES // 3)
    yield b"\0\0\1\x67" * (MAX_UNIT_BYTES // 4)
    yield b"\0\0\1\x67" + bytes(MAX_UNIT_BYTES)
    yield b"\0\0\1\x67" + b"\xff" * MAX_UNIT_BYTES
    yield b"\0\0\1\x41" + bytes([0, 0, 3]) * (MAX_UNIT_BYTES // 3)
    yield (b"\0\0\1\x41" + b"\1" * (MAX_UNIT_BYTES // MAX_NAL_UNITS - 4)) * MAX_NAL_UNITS


def mend_rtcp(mutated: bytes, random: Random) -> bytes:
    """Let half of the inputs be one packet of the right version and length: else few would be read on."""
    if len(mutated) < 8 or random.random() < 0.5:
        return mutated
    words = len(mutated) // 4
    head = bytes([0x80 | mutated[0] & 0x3F, mutated[1]]) + (words - 1).to_bytes(2, "big")
    return head + mutated[4 : 4 * words]


def costly_feedback() -> Iterator[bytes]:
    """A datagram full of NACKs, of reports, of descriptions."""
    words = 365
    ids = SSRC.to_bytes(4) + OWN_SSRC.to_bytes(4)
    yield struct.pack("!BBH", 0x81, 205, words) + ids + b"\0\0\xff\xff" * (words - 2)
    yield struct.pack("!BBHLL", 0x81, 206, 2, SSRC, OWN_SSRC) * 122
    yield struct.pack("!BBH", 0x81, 202, words) + SSRC.to_bytes(4) + b"\1\0" * (2 * words - 2)


NAL_TOKENS = (
    b"\0\0\1",
    b"\0\0\0\1",
    b"\0\0\1\x67",
    b"\0\0\1\x65",
    b"\0\0\3",
    b"\x9d\x01\x2a",
    b"\x78",
    b"\x7c\x85",
)

RTP = Target("rtp", check_rtp, 230, tokens=(b"\xbe\xde", b"\x10\x00", b"\xbe\xde\0\1", b"\xff\xff"))
RTCP = Target(
    "rtcp",
    check_rtcp,
    200,
    tokens=(b"REMB", b"\xc8", b"\xc9", b"\xcd", b"\xce", SSRC.to_bytes(4), OWN_SSRC.to_bytes(4)),
    mend=mend_rtcp,
    costly=costly_feedback,
)
VP8 = Target("vp8", check_vp8, 100)
H264 = Target("h264", check_h264, 150, tokens=NAL_TOKENS, costly=costly_aggregates, limit=0.0001)
KEYFRAMES = Target("keyframes", check_keyframes, 120, tokens=NAL_TOKENS, costly=costly_units)
