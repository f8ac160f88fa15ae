"""What a hostile packet has to pass before aiortc sees it; pure."""

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from enum import Enum, auto, unique
from math import inf
from typing import Final

from guard.core.units import Clock, Seconds
from guard.core.windows import Bucket

MAX_DATAGRAM = 1472
"""Payload of UDP over IPv4 on Ethernet; larger ones make libsrtp raise."""

LAST_STUN_BYTE = 3
"""Datagrams that begin with 0..3 are STUN (RFC 7983 section 7)."""

MAX_KNOWN_ADDRESSES = 32
MAX_WAITING_DATAGRAMS = 512
BURST: Final = 0.5
"""Seconds' worth of the limits that may come at once."""

STUN_PER_S: Final = 100
"""Checks and answers taken from a call; each costs two HMACs. Browsers send about 25 a second at most."""

RTCP_BYTES_PER_S: Final = 32_768
"""About a twentieth of a call's video (RFC 3550 section 6.2); one datagram may hold hundreds of packets."""

MAX_DTLS_BYTES: Final = 262_144
"""In the whole call: a handshake takes some 10,000, and afterwards only its end is told by DTLS.

OpenSSL is asked for one record a datagram, so that others in it would be kept until the call ends.
"""

FLOOD_FACTOR: Final = 2
FLOOD_SPAN: Seconds = 5.0
"""Whoever sends more than twice the limits for so long is no caller."""

STUN_HEADER: Final = 20
BINDING_REQUEST: Final = b"\x00\x01"
DTLS_BYTES: Final = range(20, 64)
"""First bytes of DTLS (RFC 7983 section 7)."""

MAX_JUMP = 1000
"""Sequence numbers skipped at once; more would make the search for missing packets cost milliseconds."""

MAX_LATE = 512
SOURCE_SILENCE: Seconds = 2.0
"""A new SSRC takes over only when the old one has been silent for so long."""

Address = tuple[str, int]


def is_rtp(datagram: bytes) -> bool:
    """Whether a datagram is RTP and no RTCP (RFC 7983 section 7, RFC 5761 section 4)."""
    return len(datagram) > 1 and 127 < datagram[0] < 192 and not 192 <= datagram[1] <= 223  # noqa: PLR2004 -- as the RFCs have them


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken from one call, all its sockets together; half a second's worth at once."""

    packets_per_s: int = 3_000
    bytes_per_s: int = 3_000_000


DEFAULT_LIMITS: Final = Limits()


def is_stun(datagram: bytes) -> bool:
    """Whether a datagram claims to be STUN (RFC 7983 section 7)."""
    return len(datagram) > 0 and datagram[0] <= LAST_STUN_BYTE


def is_awaited(datagram: bytes, username: bytes, transactions: Container[bytes]) -> bool:
    """Whether STUN answers one of our transactions, or is a check that names us (RFC 8489 section 5).

    Whoever has our answer knows ``username``: our ICE user name fragment with its colon. Nothing is parsed
    here, and nobody else is given an answer.
    """
    if len(datagram) < STUN_HEADER:
        return False
    return datagram[8:STUN_HEADER] in transactions or (
        datagram.startswith(BINDING_REQUEST) and username in datagram
    )


class DatagramGate:
    """Admits datagrams of 1..1472 bytes: STUN meant for us; the rest from addresses that passed a check.

    There is one for all sockets of a call. What strangers send costs a look and a count. ``dropped`` counts
    by reason: ``size``, ``stranger``, ``stun`` that is not for us, ``overflow`` of the queue, ``flood``
    beyond the limits, and ``dtls`` beyond what any handshake needs. ``flooding`` stays set once somebody who
    passed a check has sent twice what is allowed for five seconds.
    """

    def __init__(self, dropped: Counter[str], clock: Clock, limits: Limits = DEFAULT_LIMITS) -> None:
        self.dropped = dropped
        self.flooding = False
        self._clock = clock
        self._known: dict[Address, Seconds] = {}
        # A datagram costs its share of a second, by number or by size, whichever is more.
        self._packet_cost, self._byte_cost = 1 / limits.packets_per_s, 1 / limits.bytes_per_s
        self._allowance = Bucket(1, BURST)
        self._stun = Bucket(STUN_PER_S, STUN_PER_S)
        self._rtcp = Bucket(RTCP_BYTES_PER_S, RTCP_BYTES_PER_S)
        self._dtls = Bucket(0, MAX_DTLS_BYTES)
        self._seen: Seconds = 0.0
        self._seen_since = clock()

    def know(self, address: Address) -> None:
        """This address passed an authenticated ICE check; the one known longest is forgotten for it."""
        if address not in self._known and len(self._known) >= MAX_KNOWN_ADDRESSES:
            del self._known[next(iter(self._known))]
        self._known[address] = self._clock()

    def knows(self, address: Address) -> bool:
        """Whether the address passed an ICE check."""
        return address in self._known

    def silence(self, address: Address) -> Seconds:
        """How long neither a check that passed nor anything but STUN came from an address; inf: not known."""
        return self._clock() - self._known.get(address, -inf)

    def admit_stun(
        self, datagram: bytes, address: Address, username: bytes, transactions: Container[bytes]
    ) -> bool:
        """Whether to parse this STUN, which authenticates itself; for the rest see ``is_awaited``."""
        if len(datagram) > MAX_DATAGRAM:
            return self._drop("size")
        if not is_awaited(datagram, username, transactions):
            # A peer may answer twice, and keep its way through a NAT open by indications (RFC 8445 11).
            return address not in self._known and self._drop("stun")
        now = self._clock()
        self._cost(len(datagram), now)
        return self._stun.take(1, now) or self._drop("flood")

    def admit(self, datagram: bytes, address: Address, waiting: int) -> bool:
        """Whether to take this datagram, no STUN, while ``waiting`` others are queued."""
        size = len(datagram)
        if not 1 <= size <= MAX_DATAGRAM:
            return self._drop("size")
        if address not in self._known:
            return self._drop("stranger")
        self._known[address] = now = self._clock()
        if not self._allowance.take(self._cost(size, now), now):
            return self._drop("flood")
        return is_rtp(datagram) or self._may_wait(datagram, waiting, now)

    def _may_wait(self, datagram: bytes, waiting: int, now: Seconds) -> bool:
        """Whether DTLS or RTCP may enter aiortc's queue; RTP waits in none."""
        size = len(datagram)
        if datagram[0] in DTLS_BYTES:
            if not self._dtls.take(size, now):
                return self._drop("dtls")
        elif not self._rtcp.take(size, now):
            return self._drop("flood")
        return waiting < MAX_WAITING_DATAGRAMS or self._drop("overflow")

    def _cost(self, size: int, now: Seconds) -> Seconds:
        """What a datagram takes of the allowance; what came, taken or not, is judged every five seconds."""
        cost = max(self._packet_cost, size * self._byte_cost)
        self._seen += cost
        span = now - self._seen_since
        if span >= FLOOD_SPAN:
            self.flooding = self.flooding or self._seen > FLOOD_FACTOR * span
            self._seen, self._seen_since = 0.0, now
        return cost

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
