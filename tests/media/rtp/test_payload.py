import pytest
from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from guard.media.assembler import Codec
from guard.media.rtp.payload import split_payload

pytestmark = pytest.mark.unit


@given(st.binary(max_size=12))
def test_vp8_is_read_as_another_stack_reads_it(payload: bytes):
    try:
        descriptor, rest = VpxPayloadDescriptor.parse(payload)
    except ValueError:
        with pytest.raises(ValueError, match="VP8"):
            split_payload(Codec.VP8, payload)
    else:
        starts = bool(descriptor.partition_start) and descriptor.partition_id & 7 == 0
        assert split_payload(Codec.VP8, payload) == (starts, rest)


def test_every_vp8_descriptor_is_read_as_another_stack_reads_it():
    for first in range(256):
        for second in range(256):
            payload = bytes([first, second, 0x81, 2, 3, 4, 5])
            descriptor, rest = VpxPayloadDescriptor.parse(payload)
            starts = bool(descriptor.partition_start) and descriptor.partition_id & 7 == 0
            assert split_payload(Codec.VP8, payload) == (starts, rest)


def stap(*nal_units: bytes) -> bytes:
    return b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nal_units)


H264 = {
    "one NAL unit": b"\x65\x88\x84",
    "aggregated": stap(b"\x67\x42\xc0\x1f", b"\x68\xce", b"\x65\x88"),
    "first fragment": b"\x7c\x85\x88\x84",
    "later fragment": b"\x7c\x05\x88\x84",
    "last fragment": b"\x5c\x41\x88",
}


@pytest.mark.parametrize("payload", H264.values(), ids=H264)
def test_h264_is_read_as_another_stack_reads_it(payload: bytes):
    descriptor, nal_units = H264PayloadDescriptor.parse(payload)
    assert split_payload(Codec.H264, payload) == (descriptor.first_fragment, nal_units)


@given(st.binary(min_size=1, max_size=40))
def test_h264_that_is_read_is_read_as_another_stack_reads_it(payload: bytes):
    try:
        found = split_payload(Codec.H264, payload)
    except ValueError:
        return
    descriptor, nal_units = H264PayloadDescriptor.parse(payload)
    assert found == (descriptor.first_fragment, nal_units)


NO_H264 = {
    "nothing behind the header": b"\x65",
    "empty NAL units": b"\x78" + bytes(1400),
    "a NAL unit longer than the packet": b"\x78\x00\x09\x67",
    "too many NAL units": stap(*[b"\x06\x01"] * 40),
    "a parameter set in fragments": b"\x7c\x87\x42\xc0",
    "STAP-B": b"\x79\x00\x00\x00\x01\x67",
}


@pytest.mark.parametrize("payload", NO_H264.values(), ids=NO_H264)
def test_h264_that_no_honest_sender_sends_is_refused(payload: bytes):
    with pytest.raises(ValueError, match=r"H\.264"):
        split_payload(Codec.H264, payload)


def test_sound_is_whole_as_it_is():
    assert split_payload(Codec.OPUS, b"opus") == (True, b"opus")


def test_a_later_fragment_begins_nothing():
    assert split_payload(Codec.H264, H264["first fragment"])[0]
    assert not split_payload(Codec.H264, H264["later fragment"])[0]
