import pytest
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


def test_sound_is_whole_as_it_is():
    assert split_payload(Codec.OPUS, b"opus") == (True, b"opus")


def test_a_later_fragment_begins_nothing():
    assert split_payload(Codec.H264, bytes([0x7C, 0x85, 1]))[0]
    assert not split_payload(Codec.H264, bytes([0x7C, 0x05, 1]))[0]
