"""What an RTP payload holds: where a picture may begin, and its bytes without the descriptor."""

from aiortc.codecs.h264 import H264PayloadDescriptor

from guard.media.assembler import Codec

EXTENDED = 0x80
START_OF_FIRST_PARTITION = 0x10
START_AND_PARTITION = 0x17
PICTURE_ID, LAYER_INDEX, LAYERS = 0x80, 0x40, 0x30
LONG_PICTURE_ID = 0x80


def split_payload(codec: Codec, payload: bytes) -> tuple[bool, bytes]:
    """Whether a unit may begin with this payload, and the payload without its descriptor; ValueError."""
    if codec is Codec.VP8:
        length = _vp8_descriptor(payload)
        return payload[0] & START_AND_PARTITION == START_OF_FIRST_PARTITION, payload[length:]
    if codec is Codec.H264:
        h264, nal_units = H264PayloadDescriptor.parse(payload)
        return h264.first_fragment, nal_units
    return True, payload


def _vp8_descriptor(payload: bytes) -> int:
    """Length of the VP8 payload descriptor (RFC 7741 section 4.2)."""
    try:
        length = 1
        if payload[0] & EXTENDED:
            extension, length = payload[1], 2
            if extension & PICTURE_ID:
                length += 2 if payload[2] & LONG_PICTURE_ID else 1
            length += bool(extension & LAYER_INDEX) + bool(extension & LAYERS)
    except IndexError:
        length = len(payload) + 1
    if length > len(payload):
        msg = f"VP8: expected a payload descriptor (RFC 7741), got its beginning: {payload[:4].hex()}"
        raise ValueError(msg)
    return length
