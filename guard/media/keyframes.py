"""Keyframes: how they are told apart, how large a picture they announce, when one is asked for; pure.

Units are read on the event loop, so what reading one may cost is bounded.
"""

from collections.abc import Iterator
from typing import NamedTuple

from guard.core.errors import MediaError
from guard.core.units import Seconds

VP8_START_CODE = b"\x9d\x01\x2a"
NAL_IDR = 5
NAL_SPS = 7
MAX_GOLOMB_ZEROS = 32
MAX_NAL_UNITS = 1024
"""NAL units of one access unit: enough for a picture of 1.2 MB in slices of a packet each."""

MAX_PARAMETER_SETS = 4
MAX_PARAMETER_SET_BYTES = 64
"""Of a sequence parameter set so many are read; the size stands in the first dozen."""

HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
"""Profiles whose sequence parameter set also holds chroma and bit depth (H.264 7.3.2.1.1)."""


class UnitHeaders(NamedTuple):
    """What the headers of an access unit say."""

    keyframe: bool
    """Whether decoding can begin here."""
    size: tuple[int, int] | None = None
    """Width and height that it announces, None where it announces none."""


def read_vp8_headers(payload: bytes) -> UnitHeaders:
    """Read the tag and the header of a VP8 frame (RFC 6386 section 9.1)."""
    return UnitHeaders(is_vp8_keyframe(payload), vp8_picture_size(payload))


def read_h264_headers(payload: bytes) -> UnitHeaders:
    """Read an Annex B access unit: IDR slices make it a keyframe (H.264 table 7-1), the largest size counts.

    Raises MediaError for more NAL units or parameter sets than a picture needs.
    """
    nals = [nal for nal in nal_units(payload) if nal]
    parameter_sets = [nal[1:] for nal in nals if nal[0] & 0x1F == NAL_SPS]
    if len(parameter_sets) > MAX_PARAMETER_SETS:
        raise MediaError(_too_many("sequence parameter sets", MAX_PARAMETER_SETS))
    sizes = [size for size in map(sps_size, parameter_sets) if size]
    keyframe = any(nal[0] & 0x1F == NAL_IDR for nal in nals)
    return UnitHeaders(keyframe, max(sizes, key=lambda size: size[0] * size[1], default=None))


def is_vp8_keyframe(payload: bytes) -> bool:
    """Whether a VP8 frame is a keyframe: the lowest bit of its tag is 0 (RFC 6386 section 9.1)."""
    return bool(payload) and not payload[0] & 1


def nal_units(payload: bytes) -> Iterator[bytes]:
    """NAL units of an Annex B byte stream, without start codes (a trailing zero byte may remain).

    Raises MediaError behind the last one that an access unit may hold.
    """
    start = payload.find(b"\0\0\1")
    for _ in range(MAX_NAL_UNITS):
        if start < 0:
            return
        end = payload.find(b"\0\0\1", start + 3)
        yield payload[start + 3 : end if end >= 0 else None]
        start = end
    if start >= 0:
        raise MediaError(_too_many("NAL units", MAX_NAL_UNITS))


def _too_many(what: str, limit: int) -> str:
    return f"access unit: expected at most {limit} {what}, got more; send larger slices, headers once"


def vp8_picture_size(payload: bytes) -> tuple[int, int] | None:
    """Width and height in a VP8 keyframe's header, None where there is none (RFC 6386 section 9.1)."""
    if not is_vp8_keyframe(payload) or payload[3:6] != VP8_START_CODE or len(payload) < 10:  # noqa: PLR2004 -- length of the header
        return None
    width, height = int.from_bytes(payload[6:8], "little"), int.from_bytes(payload[8:10], "little")
    return width & 0x3FFF, height & 0x3FFF


def sps_size(sps: bytes) -> tuple[int, int] | None:
    """Coded width and height of a sequence parameter set, whole macroblocks (H.264 7.3.2.1.1).

    None for a torn set, and for one with scaling matrices: there the decoder's own limit holds.
    """
    bits = BitReader(sps[:MAX_PARAMETER_SET_BYTES].replace(b"\0\0\3", b"\0\0"))
    try:
        profile = bits.take(8)
        bits.take(16)
        bits.golomb()
        if profile in HIGH_PROFILES and not _skip_chroma(bits):
            return None
        bits.golomb()
        _skip_order_count(bits)
        bits.golomb()
        bits.take(1)
        width, height, frames_only = bits.golomb() + 1, bits.golomb() + 1, bits.take(1)
    except ValueError:
        return None
    return width * 16, height * 16 * (2 - frames_only)


def _skip_chroma(bits: "BitReader") -> bool:
    if bits.golomb() == 3:  # noqa: PLR2004 -- chroma_format_idc 4:4:4
        bits.take(1)
    bits.golomb()
    bits.golomb()
    bits.take(1)
    return not bits.take(1)


def _skip_order_count(bits: "BitReader") -> None:
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.take(1)
        bits.golomb()
        bits.golomb()
        for _ in range(bits.golomb()):
            bits.golomb()


class BitReader:
    """Reads bits, most significant first; ValueError behind the end."""

    def __init__(self, source: bytes) -> None:
        self._bits = int.from_bytes(source, "big")
        self._left = len(source) * 8

    def take(self, count: int) -> int:
        """The next ``count`` bits as an unsigned number."""
        self._left -= count
        if self._left < 0:
            msg = "BitReader: behind the end"
            raise ValueError(msg)
        return self._bits >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """The next unsigned Exp-Golomb number (H.264 9.1); signed ones take the same bits."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > MAX_GOLOMB_ZEROS:
                msg = "BitReader: no Exp-Golomb number"
                raise ValueError(msg)
        return (1 << zeros) - 1 + self.take(zeros)


class KeyframeRequests:
    """Merges what subscribers and decoder ask for: while a keyframe is wanted, one request an interval."""

    def __init__(self, interval: Seconds) -> None:
        self.sent = 0
        self._interval = interval
        self._wanted = False
        self._last: Seconds | None = None

    def want(self) -> None:
        """Somebody cannot go on without a keyframe."""
        self._wanted = True

    def arrived(self) -> None:
        """A keyframe came: nobody waits any more."""
        self._wanted = False

    def due(self, now: Seconds) -> bool:
        """Whether to ask the publisher now; a yes counts as asked."""
        if not self._wanted or (self._last is not None and now - self._last < self._interval):
            return False
        self._last = now
        self.sent += 1
        return True
