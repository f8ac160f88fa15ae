"""RTP packets as bytes, to and fro (RFC 3550 section 5.1); pure."""

import struct
from typing import NamedTuple

from guard.core.units import Seconds

FIXED_HEADER = struct.Struct("!BBHLL")
"""Version, padding, extension, CSRC count; marker, payload type; sequence number; timestamp; SSRC."""

EXTENSION_HEADER = struct.Struct("!HH")
ONE_BYTE_PROFILE = 0xBEDE
"""Of header extensions with one byte before each (RFC 8285 section 4.2)."""

STAMPED_HEADER = struct.Struct("!BBHLLHHL")
"""The fixed header, and an extension of one word: id, length, abs-send-time."""

MAX_ONE_BYTE_ID = 14
SEND_TIME_BYTES = 3
VERSION = 0x80
HAS_PADDING = 0x20
HAS_EXTENSION = 0x10
MARKER = 0x80


class Rtp(NamedTuple):
    """One RTP packet, without its padding."""

    payload_type: int
    marker: bool
    sequence_number: int
    """0..65535."""
    timestamp: int
    """0..2**32-1."""
    ssrc: int
    payload: bytes
    """Empty where the packet was all padding."""
    send_time: int | None = None
    """abs-send-time, 24 bits of 6.18 fixed-point seconds; None where it was not there."""


def read_rtp(plain: bytes, send_time_id: int | None = None) -> Rtp:
    """Read a packet that has been unprotected, with abs-send-time where its extension id is given.

    Raises ValueError for one that is torn. Other header extensions are passed over.
    """
    try:
        first, second, sequence_number, timestamp, ssrc = FIXED_HEADER.unpack_from(plain)
        start, end, stamp = FIXED_HEADER.size + 4 * (first & 0x0F), len(plain), None
        if first & HAS_EXTENSION:
            profile, words = EXTENSION_HEADER.unpack_from(plain, start)
            extensions = start + EXTENSION_HEADER.size
            start = extensions + 4 * words
            if send_time_id is not None and profile == ONE_BYTE_PROFILE:
                stamp = _send_time(plain, extensions, start, send_time_id)
    except struct.error:
        msg = f"RTP: expected a header (RFC 3550), got {len(plain)} bytes"
        raise ValueError(msg) from None
    if first & HAS_PADDING:
        end -= plain[-1] or end
    if first >> 6 != VERSION >> 6 or start > end:
        msg = f"RTP: expected version 2 and a whole packet, got {len(plain)} bytes from {start} to {end}"
        raise ValueError(msg)
    payload = plain[start:end]
    return Rtp(second & 0x7F, second >= MARKER, sequence_number, timestamp, ssrc, payload, stamp)


def _send_time(plain: bytes, place: int, end: int, wanted: int) -> int | None:
    """What stands under this id in one-byte header extensions (RFC 8285 section 4.2), if it is 3 bytes."""
    sought, end = wanted << 4 | SEND_TIME_BYTES - 1, min(end, len(plain))
    while place < end:
        head = plain[place]
        place += 1
        if head == sought and place + SEND_TIME_BYTES <= end:
            return int.from_bytes(plain[place : place + SEND_TIME_BYTES], "big")
        place += (head & 0x0F) + 1 if head else 0
    return None


def send_time(now: Seconds) -> int:
    """The time as abs-send-time has it: 24 bits of 6.18 fixed-point seconds, wrapping every 64 s."""
    return int(now * (1 << 18)) & 0xFFFFFF


class HeaderWriter:
    """Writes the headers of one outgoing stream, with abs-send-time where the receiver gave it an id."""

    def __init__(self, payload_type: int, ssrc: int, send_time_id: int | None = None) -> None:
        self._payload_type = payload_type
        self._ssrc = ssrc
        usable = send_time_id is not None and 0 < send_time_id <= MAX_ONE_BYTE_ID
        self._stamp = ((send_time_id or 0) << 4 | SEND_TIME_BYTES - 1) << 24 if usable else None

    def __call__(self, sequence_number: int, timestamp: int, sent_at: int, *, marker: bool) -> bytes:
        """A header; ``sent_at`` is ``send_time()``."""
        second = self._payload_type | (MARKER if marker else 0)
        if self._stamp is None:
            return FIXED_HEADER.pack(VERSION, second, sequence_number, timestamp, self._ssrc)
        return STAMPED_HEADER.pack(
            VERSION | HAS_EXTENSION,
            second,
            sequence_number,
            timestamp,
            self._ssrc,
            ONE_BYTE_PROFILE,
            1,
            self._stamp | sent_at,
        )
