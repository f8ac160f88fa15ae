import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket

from guard.media.rtp.packet import HeaderWriter, Rtp, read_rtp, send_time

pytestmark = pytest.mark.unit

SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"


def extensions() -> HeaderExtensionsMap:
    """What aiortc makes of a session with two header extensions."""
    known = HeaderExtensionsMap()
    known.configure(
        RTCRtpParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=1, uri=MID_URI),
                RTCRtpHeaderExtensionParameters(id=3, uri=SEND_TIME_URI),
            ]
        )
    )
    return known


def packet(**changes: object) -> RtpPacket:
    made = RtpPacket(payload_type=97, marker=1, sequence_number=65535, timestamp=0xFFFFFFF0, ssrc=0xDEADBEEF)
    made.payload = b"payload"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_what_another_stack_writes_is_read():
    assert read_rtp(packet().serialize()) == Rtp(
        payload_type=97,
        marker=True,
        sequence_number=65535,
        timestamp=0xFFFFFFF0,
        ssrc=0xDEADBEEF,
        payload=b"payload",
    )


def test_the_time_of_sending_is_found_behind_another_extension():
    made = packet(extensions=HeaderExtensions(mid="video", abs_send_time=0x123456))
    assert read_rtp(made.serialize(extensions()), send_time_id=3).send_time == 0x123456
    assert read_rtp(made.serialize(extensions()), send_time_id=4).send_time is None
    assert read_rtp(made.serialize(extensions())).payload == b"payload"


def test_padding_and_contributors_are_left_out():
    made = packet(padding_size=5, csrc=[1, 2, 3])
    assert read_rtp(made.serialize()).payload == b"payload"
    assert read_rtp(packet(payload=b"", padding_size=200).serialize()).payload == b""


TORN = {
    "short": b"\x80" + bytes(10),
    "version 1": b"\x40" + bytes(20),
    "contributors that are not there": b"\x8f" + bytes(20),
    "extension that is not there": b"\x90" + bytes(11),
    "extension longer than the packet": b"\x90" + bytes(11) + b"\xbe\xde\x00\x09" + bytes(4),
    "padding longer than the packet": b"\xa0" + bytes(11) + b"\x00\x09",
    "no padding where some is announced": b"\xa0" + bytes(20),
}


@pytest.mark.parametrize("torn", TORN.values(), ids=TORN)
def test_what_is_torn_is_refused(torn: bytes):
    with pytest.raises(ValueError, match="RTP"):
        read_rtp(torn)


def test_an_extension_that_runs_over_is_none():
    torn = b"\x90" + bytes(11) + b"\xbe\xde\x00\x01" + b"\x00\x00\x00\x32"
    assert read_rtp(torn, send_time_id=3).send_time is None


@pytest.mark.parametrize("send_time_id", [None, 3])
def test_another_stack_reads_what_is_written(send_time_id: int | None):
    header = HeaderWriter(102, 0xCAFE, send_time_id)(7, 8, 0xABCDEF, marker=True)
    found = RtpPacket.parse(header + b"rest", extensions())
    assert (found.payload_type, found.ssrc, found.sequence_number) == (102, 0xCAFE, 7)
    assert (found.timestamp, found.marker, found.payload) == (8, 1, b"rest")
    assert found.extensions.abs_send_time == (0xABCDEF if send_time_id else None)


def test_an_id_that_needs_two_bytes_is_not_written():
    assert len(HeaderWriter(96, 1, send_time_id=15)(0, 0, 0, marker=False)) == 12


def test_the_time_of_sending_wraps_every_64_seconds():
    assert send_time(1.0) == 1 << 18
    assert send_time(65.0) == send_time(1.0)
