"""What a hostile packet has to pass before aiortc sees it; pure."""

from collections import Counter
from enum import Enum, auto, unique

from guard.core.units import Seconds

MAX_DATAGRAM = 1472
"""Payload of UDP over IPv4 on Ethernet; larger ones make libsrtp raise."""

LAST_STUN_BYTE = 3
"""Datagrams that begin with 0..3 are STUN (RFC 7983 section 7)."""

MAX_KNOWN_ADDRESSES = 32
MAX_WAITING_DATAGRAMS = 512
MAX_JUMP = 1000
"""Sequence numbers skipped at once; more would make the search for missing packets cost milliseconds."""

MAX_LATE = 512
SOURCE_SILENCE: Seconds = 2.0
"""A new SSRC takes over only when the old one has been silent for so long."""

Address = tuple[str, int]


def is_rtp(datagram: bytes) -> bool:
    """Whether a datagram is RTP and no RTCP (RFC 7983 section 7, RFC 5761 section 4)."""
    return len(datagram) > 1 and 127 < datagram[0] < 192 and not 192 <= datagram[1] <= 223  # noqa: PLR2004 -- as the RFCs have them


class DatagramGate:
    """Admits datagrams of 1..1472 bytes; media and DTLS only from addresses that passed an ICE check.

    ``dropped`` counts by reason: ``size``, ``stranger``, ``overflow``.
    """

    def __init__(self, dropped: Counter[str]) -> None:
        self.dropped = dropped
        self._known: set[Address] = set()

    def know(self, address: Address) -> None:
        """This address passed an authenticated ICE check."""
        if len(self._known) < MAX_KNOWN_ADDRESSES:
            self._known.add(address)

    def knows(self, address: Address) -> bool:
        """Whether the address passed an ICE check."""
        return address in self._known

    def admit(self, datagram: bytes, address: Address, waiting: int) -> bool:
        """Whether to take this datagram while ``waiting`` others are queued (RFC 7983 section 7)."""
        if not 1 <= len(datagram) <= MAX_DATAGRAM:
            return self._drop("size")
        if datagram[0] <= LAST_STUN_BYTE:  # STUN authenticates itself
            return True
        if address not in self._known:
            return self._drop("stranger")
        return waiting < MAX_WAITING_DATAGRAMS or self._drop("overflow")

    def _drop(self, reason: str) -> bool:
        self.dropped[reason] += 1
        return False


@unique
class Verdict(Enum):
    """What to do with an RTP packet."""

    PASS = auto()
    DROP = auto()
    RESTART = auto()
    """Take it as the first packet of a stream that begins anew."""


class StreamGate:
    """Keeps one SSRC of a track and refuses leaps of its sequence numbers (RFC 3550 appendix A.1)."""

    def __init__(self, dropped: Counter[str]) -> None:
        self.ssrc: int | None = None
        self.dropped = dropped
        self._highest = 0
        self._resume_at: int | None = None
        self._heard_at: Seconds = 0.0

    def admit(self, ssrc: int, sequence_number: int, now: Seconds) -> Verdict:
        """Judge a packet by its source and its number."""
        if ssrc != self.ssrc:
            return self._change_source(ssrc, sequence_number, now)
        self._heard_at = now
        ahead = (sequence_number - self._highest) & 0xFFFF
        if 0 < ahead <= MAX_JUMP:
            self._highest = sequence_number
            self._resume_at = None
        elif 0 < ahead < 0x10000 - MAX_LATE:
            return self._leap(sequence_number)
        return Verdict.PASS

    def _leap(self, sequence_number: int) -> Verdict:
        # Two packets in a row from the new place are a restart, one alone is noise.
        if sequence_number == self._resume_at:
            self._highest, self._resume_at = sequence_number, None
            return Verdict.RESTART
        self._resume_at = (sequence_number + 1) & 0xFFFF
        self.dropped["jump"] += 1
        return Verdict.DROP

    def _change_source(self, ssrc: int, sequence_number: int, now: Seconds) -> Verdict:
        first = self.ssrc is None
        if not first and now - self._heard_at < SOURCE_SILENCE:
            self.dropped["foreign_ssrc"] += 1
            return Verdict.DROP
        self.ssrc, self._highest, self._resume_at, self._heard_at = ssrc, sequence_number, None, now
        return Verdict.PASS if first else Verdict.RESTART
