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
    if len(plain) < FIXED_HEADER.size:
        msg = f"RTP: expected a header of {FIXED_HEADER.size} bytes, got {len(plain)}"
        raise ValueError(msg)
    first, second, sequence_number, timestamp, ssrc = FIXED_HEADER.unpack_from(plain)
    start = FIXED_HEADER.size + 4 * (first & 0x0F)
    send_time = None
    if first & HAS_EXTENSION:
        profile, words = _extension(plain, start)
        end_of_header = start + EXTENSION_HEADER.size + 4 * words
        if send_time_id is not None and profile == ONE_BYTE_PROFILE:
            send_time = _send_time(plain[start + EXTENSION_HEADER.size : end_of_header], send_time_id)
        start = end_of_header
    end = len(plain) - (plain[-1] if first & HAS_PADDING else 0)
    if first >> 6 != VERSION >> 6 or start > end or (first & HAS_PADDING and not plain[-1]):
        msg = f"RTP: expected version 2 and a whole packet, got {len(plain)} bytes from {start} to {end}"
        raise ValueError(msg)
    marker, payload_type = bool(second & MARKER), second & 0x7F
    return Rtp(payload_type, marker, sequence_number, timestamp, ssrc, plain[start:end], send_time)


def _extension(plain: bytes, start: int) -> tuple[int, int]:
    if len(plain) < start + EXTENSION_HEADER.size:
        msg = "RTP: expected a header extension, got the end of the packet"
        raise ValueError(msg)
    profile, words = EXTENSION_HEADER.unpack_from(plain, start)
    return profile, words


def _send_time(extension: bytes, wanted: int) -> int | None:
    """What stands under this id in one-byte header extensions (RFC 8285 section 4.2), if it is 3 bytes."""
    place = 0
    while place < len(extension):
        head = extension[place]
        if head == 0:
            place += 1
            continue
        length = (head & 0x0F) + 1
        there = extension[place + 1 : place + 1 + length]
        if head >> 4 == wanted and len(there) == length == SEND_TIME_BYTES:
            return int.from_bytes(there, "big")
        place += 1 + length
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
