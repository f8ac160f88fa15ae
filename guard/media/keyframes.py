"""Keyframes: how they are told apart, how large a picture they announce, when one is asked for; pure.

Units are read on the event loop, so what reading one may cost is bounded.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from guard.core.errors import MediaError
from guard.core.units import Seconds
from guard.core.windows import Bucket

VP8_START_CODE = b"\x9d\x01\x2a"
NAL_IDR = 5
NAL_SPS = 7
SPS = re.compile(rb"\x00\x00\x01[\x07\x27\x47\x67\x87\xa7\xc7\xe7]")
"""A start code and the header of a sequence parameter set, whatever its first three bits."""

MAX_GOLOMB_ZEROS = 32
MAX_NAL_UNITS = 1024
"""NAL units of one access unit: enough for a picture of 1.2 MB in slices of a packet each."""

MAX_PARAMETER_SETS = 4
MAX_PARAMETER_SET_BYTES = 1200
MAX_PARAMETER_SET_CODES = 512
"""Of a sequence parameter set so much is read: twelve scaling lists; without them the size stands in the
first dozen bytes."""

HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 138, 144, 244})
"""Profiles whose sequence parameter set also holds chroma and bit depth (H.264 7.3.2.1.1), as FFmpeg reads
it: another list would find another size than the decoder does."""


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


def begins_h264_keyframe(payload: bytes) -> bool:
    """Whether a packet, in Annex B, holds a sequence parameter set: none can begin at an IDR slice alone."""
    return SPS.search(payload) is not None


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

    None for a torn or endless set: there the decoder's own limit holds.
    """
    bits = BitReader(sps[:MAX_PARAMETER_SET_BYTES].replace(b"\0\0\3", b"\0\0"))
    try:
        profile = bits.take(8)
        bits.take(16)
        bits.golomb()
        if profile in HIGH_PROFILES:
            _skip_chroma(bits)
        bits.golomb()
        _skip_order_count(bits)
        bits.golomb()
        bits.take(1)
        width, height, frames_only = bits.golomb() + 1, bits.golomb() + 1, bits.take(1)
    except ValueError:
        return None
    return width * 16, height * 16 * (2 - frames_only)


def _skip_chroma(bits: "BitReader") -> None:
    lists = 8
    if bits.golomb() == 3:  # noqa: PLR2004 -- chroma_format_idc 4:4:4
        bits.take(1)
        lists = 12
    bits.golomb()
    bits.golomb()
    bits.take(1)
    if bits.take(1):
        for number in range(lists):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)  # noqa: PLR2004 -- six of 4x4 come first


def _skip_scaling_list(bits: "BitReader", size: int) -> None:
    """H.264 7.3.2.1.1.1: a list may end early, with a scale of 0."""
    scale = 8
    for _ in range(size):
        scale = (scale + bits.signed_golomb()) % 256
        if scale == 0:
            return


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
    """Reads bits, most significant first; ValueError behind the end, and after so many Exp-Golomb codes."""

    def __init__(self, source: bytes) -> None:
        self._bits = f"{int.from_bytes(source, 'big'):0{len(source) * 8}b}" if source else ""
        self._at = 0
        self._codes = MAX_PARAMETER_SET_CODES

    def take(self, count: int) -> int:
        """The next ``count`` bits, at least one, as an unsigned number."""
        end = self._at + count
        if end > len(self._bits):
            msg = "BitReader: behind the end"
            raise ValueError(msg)
        taken = self._bits[self._at : end]
        self._at = end
        return int(taken, 2)

    def golomb(self) -> int:
        """The next unsigned Exp-Golomb number (H.264 9.1); signed ones take the same bits."""
        self._codes -= 1
        zeros = self._bits.find("1", self._at) - self._at
        if not (0 <= zeros <= MAX_GOLOMB_ZEROS and self._codes >= 0):
            msg = "BitReader: no Exp-Golomb number, or too many"
            raise ValueError(msg)
        self._at += zeros
        return self.take(zeros + 1) - 1

    def signed_golomb(self) -> int:
        """The next signed Exp-Golomb number (H.264 9.1.1)."""
        number = self.golomb()
        return (number + 1) // 2 if number % 2 else -(number // 2)


REQUESTS_PER_SECOND = 1.0
REQUESTS_AT_ONCE = 4.0
"""So many requests may follow on one another before the average counts: people often join together."""


class KeyframeRequests:
    """Merges what subscribers and decoder ask for: while a keyframe is wanted, one request an interval.

    On average there is at most one a second, whatever is asked for.
    """

    def __init__(self, interval: Seconds) -> None:
        self.sent = 0
        self._interval = interval
        self.wanted = False
        """Whether somebody waits for a keyframe."""
        self._last: Seconds | None = None
        self._coming: Seconds | None = None
        self._average = Bucket(REQUESTS_PER_SECOND, REQUESTS_AT_ONCE)

    def want(self) -> None:
        """Somebody cannot go on without a keyframe."""
        self.wanted = True

    def begun(self, now: Seconds) -> None:
        """A keyframe begins to come: for an interval, ask for no other."""
        self._coming = now

    def arrived(self) -> None:
        """A keyframe came: nobody waits any more."""
        self.wanted = False
        self._coming = None

    def due(self, now: Seconds) -> bool:
        """Whether to ask the publisher now; a yes counts as asked."""
        if not self.wanted:
            return False
        soon = any(at is not None and now - at < self._interval for at in (self._last, self._coming))
        if soon or not self._average.take(1, now):
            return False
        self._last = now
        self.sent += 1
        return True
