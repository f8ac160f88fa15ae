"""What an RTP payload holds: where a picture may begin, and its bytes without the descriptor."""

from guard.media.assembler import Codec
from guard.media.keyframes import NAL_SPS

EXTENDED = 0x80
START_OF_FIRST_PARTITION = 0x10
START_AND_PARTITION = 0x17
PICTURE_ID, LAYER_INDEX, LAYERS = 0x80, 0x40, 0x30
LONG_PICTURE_ID = 0x80

ANNEX_B = b"\0\0\0\1"
NAL_TYPE = 0x1F
SINGLE_NAL_UNIT = range(1, 24)
STAP_A, FU_A = 24, 28
FIRST_FRAGMENT = 0x80
MAX_AGGREGATED = 32
"""NAL units of one packet; of a picture's headers there are some six."""


def split_payload(codec: Codec, payload: bytes) -> tuple[bool, bytes]:
    """Whether a unit may begin with this payload, and the payload without its descriptor; ValueError."""
    if codec is Codec.VP8:
        length = _vp8_descriptor(payload)
        return payload[0] & START_AND_PARTITION == START_OF_FIRST_PARTITION, payload[length:]
    if codec is Codec.H264:
        return _h264_payload(payload)
    return True, payload


def _h264_payload(payload: bytes) -> tuple[bool, bytes]:
    """NAL units in Annex B (RFC 6184 sections 5.6 to 5.8); a fragment goes on where the one before ended."""
    kind = payload[0] & NAL_TYPE if payload else 0
    if kind in SINGLE_NAL_UNIT and len(payload) > 1:
        return True, ANNEX_B + payload
    if kind == STAP_A and len(payload) > 1:
        return True, ANNEX_B + ANNEX_B.join(_aggregated(payload))
    if kind == FU_A and len(payload) > 2:  # noqa: PLR2004 -- its two headers
        indicator, header, rest = payload[0], payload[1], payload[2:]
        if header & NAL_TYPE == NAL_SPS:
            msg = "H.264: expected a sequence parameter set in one packet, got a fragment"
            raise ValueError(msg)
        if not header & FIRST_FRAGMENT:
            return False, rest
        return True, ANNEX_B + bytes([indicator & ~NAL_TYPE | header & NAL_TYPE]) + rest
    msg = f"H.264: expected a NAL unit, STAP-A or FU-A (RFC 6184), got {payload[:2].hex()}…"
    raise ValueError(msg)


def _aggregated(payload: bytes) -> list[bytes]:
    nal_units: list[bytes] = []
    place = 1
    while place < len(payload):
        size = int.from_bytes(payload[place : place + 2], "big")
        place += 2 + size
        nal_units.append(payload[place - size : place])
        if not size or place > len(payload) or len(nal_units) > MAX_AGGREGATED:
            msg = f"H.264: expected a STAP-A of up to {MAX_AGGREGATED} NAL units, got {payload[:9].hex()}…"
            raise ValueError(msg)
    return nal_units


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
