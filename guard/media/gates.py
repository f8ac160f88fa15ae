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
"""At first: a handshake takes some 10,000, and afterwards only its end is told by DTLS."""

DTLS_BYTES_PER_S: Final = 200
"""Afterwards: what others sent under the caller's address must not keep out the end for ever.

OpenSSL is asked for one record a datagram, so that others in it are kept until the call ends: no more.
"""

UNPROVEN_PER_S: Final = 200
"""RTP and RTCP from sources (SSRC) of which nothing was authentic yet; the first that is proves one."""

MAX_SOURCES: Final = 32

FLOOD_RATE: Final = 0.5
FLOOD_BURST: Seconds = 2.5
"""What may be sent beyond the limits: half as much again, and so many seconds' worth of them at once.

So twice the limits for five seconds are a flood, or ten times for a third of a second.
"""

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

    There is one for all sockets of a call. What strangers send costs a look and a count. An address is easily
    forged, so media is told apart by its SSRC, too: proven sources have the caller's allowance to themselves,
    all else a little of its own. Who forges both (who sees the packets, or guesses 32 bits) can spend the
    allowance, but not end the call: ``flooding`` is set, and stays, once proven sources have sent too much
    (``FLOOD_BURST``) and no packet of theirs was forged meanwhile.

    ``dropped`` counts by reason: ``size``, ``stranger``, ``stun`` that is not for us, ``unproven`` and
    ``flood`` beyond the limits, ``overflow`` of the queue, and ``dtls`` beyond what any handshake needs.
    """

    def __init__(self, dropped: Counter[str], clock: Clock, limits: Limits = DEFAULT_LIMITS) -> None:
        self.dropped = dropped
        self.flooding = False
        self._clock = clock
        self._known: dict[Address, Seconds] = {}
        self._sources: set[bytes] = set()
        # A datagram costs its share of a second, by number or by size, whichever is more.
        self._packet_cost, self._byte_cost = 1 / limits.packets_per_s, 1 / limits.bytes_per_s
        self._allowance = Bucket(1, BURST)
        self._flood = Bucket(FLOOD_RATE, FLOOD_BURST)
        self._unproven = Bucket(UNPROVEN_PER_S, UNPROVEN_PER_S)
        self._stun = Bucket(STUN_PER_S, STUN_PER_S)
        self._rtcp = Bucket(RTCP_BYTES_PER_S, RTCP_BYTES_PER_S)
        self._dtls = Bucket(DTLS_BYTES_PER_S, MAX_DTLS_BYTES)

    def know(self, address: Address) -> None:
        """This address passed an authenticated ICE check; the one silent for longest is forgotten for it."""
        if address not in self._known and len(self._known) >= MAX_KNOWN_ADDRESSES:
            del self._known[min(self._known, key=self._known.__getitem__)]
        self._known[address] = self._clock()

    def knows(self, address: Address) -> bool:
        """Whether the address passed an ICE check."""
        return address in self._known

    def silence(self, address: Address) -> Seconds:
        """How long neither a check that passed nor a proven source came from an address; inf: not known."""
        return self._clock() - self._known.get(address, -inf)

    def prove(self, source: bytes) -> None:
        """A packet of this SSRC was authentic."""
        if len(self._sources) < MAX_SOURCES:
            self._sources.add(source)

    def forged(self) -> None:
        """A packet of a proven source was not authentic: who knows whose flood it is."""
        self._flood = Bucket(FLOOD_RATE, FLOOD_BURST)

    def admit_stun(
        self, datagram: bytes, address: Address, username: bytes, transactions: Container[bytes]
    ) -> bool:
        """Whether to parse this STUN, which authenticates itself; for the rest see ``is_awaited``."""
        if len(datagram) > MAX_DATAGRAM:
            return self._drop("size")
        if not is_awaited(datagram, username, transactions):
            # A peer may answer twice, and keep its way through a NAT open by indications (RFC 8445 11).
            return address not in self._known and self._drop("stun")
        return self._stun.take(1, self._clock()) or self._drop("flood")

    def admit(self, datagram: bytes, address: Address, waiting: int) -> bool:
        """Whether to take this datagram, no STUN, while ``waiting`` others are queued."""
        size = len(datagram)
        if not 1 <= size <= MAX_DATAGRAM:
            return self._drop("size")
        if address not in self._known:
            return self._drop("stranger")
        now = self._clock()
        if is_rtp(datagram):
            return self._may_spend(datagram[8:12], size, address, now)
        if datagram[0] in DTLS_BYTES:
            return (self._dtls.take(size, now) or self._drop("dtls")) and self._may_wait(waiting)
        return (
            self._may_spend(datagram[4:8], size, address, now)
            and (self._rtcp.take(size, now) or self._drop("flood"))
            and self._may_wait(waiting)
        )

    def _may_spend(self, source: bytes, size: int, address: Address, now: Seconds) -> bool:
        """Whether a source of media may send that much more."""
        if source not in self._sources:
            return self._unproven.take(1, now) or self._drop("unproven")
        self._known[address] = now
        cost = max(self._packet_cost, size * self._byte_cost)
        if self._allowance.take(cost, now):
            return True
        if not self._flood.take(cost, now):
            self.flooding = True
        return self._drop("flood")

    def _may_wait(self, waiting: int) -> bool:
        """Whether DTLS or RTCP may enter aiortc's queue; RTP waits in none."""
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
