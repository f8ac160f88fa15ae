"""What a receiver knows of one stream: its losses, its jitter, and what to ask for again; pure."""

from typing import NamedTuple

from guard.core.units import Seconds
from guard.media.assembler import REPAIR_PACKETS, Unwrapper

REORDER_GRACE: Seconds = 0.02
"""A packet that is only late is not asked for."""

RETRY_INTERVAL: Seconds = 0.1
MAX_TRIES = 3
MAX_MISSING = 64
"""More missing at once is no loss to mend but a break: a keyframe mends it."""

MOST_LOST = 0x7FFFFF
WRAP = 0xFFFFFFFF


class Report(NamedTuple):
    """The figures of a reception report (RFC 3550 section 6.4.1)."""

    fraction_lost: int
    """Since the last report, in 256ths."""
    packets_lost: int
    highest_sequence: int
    """With the count of wraps in its upper 16 bits."""
    jitter: int
    """In ticks of the timestamp."""


class Reception:
    """Counts one stream as RFC 3550 has it (appendix A.3, A.8)."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._extend = Unwrapper(16)
        self._base: int | None = None
        self._highest = 0
        self._received = 0
        self._came = [-1] * REPAIR_PACKETS
        self._different = 0
        self._told = (0, 0)
        self._transit: int | None = None
        self._jitter = 0.0

    def heard(self, sequence_number: int, timestamp: int, now: Seconds, *, again: bool = False) -> int:
        """Count a packet, unless it was sent ``again``; return its number, running on over wraps."""
        number = self._extend(sequence_number)
        if self._base is None:
            self._base = self._highest = number
        if number >= self._base and self._came[number % REPAIR_PACKETS] < number:
            self._came[number % REPAIR_PACKETS] = number
            self._different += 1
        if again:
            return number
        self._received += 1
        if number >= self._highest:
            self._highest = number
            transit = int(now * self._rate) - timestamp & WRAP
            if self._transit is not None:
                moved = transit - self._transit & WRAP
                self._jitter += (min(moved, WRAP + 1 - moved) - self._jitter) / 16
            self._transit = transit
        return number

    @property
    def lost(self) -> int:
        """Packets that never came first-hand; negative where some came twice."""
        return self._expected - self._received

    @property
    def missed(self) -> int:
        """Packets that came neither first-hand nor again."""
        return self._expected - self._different

    def remembers(self, sequence_number: int) -> bool:
        """Whether a packet of this number is one of the last; only they may be sent again."""
        return self._base is not None and (self._highest - sequence_number) & 0xFFFF < REPAIR_PACKETS

    @property
    def _expected(self) -> int:
        return 0 if self._base is None else self._highest - self._base + 1

    def report(self) -> Report | None:
        """The figures now, the fraction since the report before; None before the first packet."""
        if self._base is None:
            return None
        expected_before, received_before = self._told
        expected = self._expected - expected_before
        lost = expected - (self._received - received_before)
        self._told = self._expected, self._received
        fraction = (lost << 8) // expected if expected > 0 and lost > 0 else 0
        return Report(
            min(fraction, 255),
            max(-MOST_LOST - 1, min(self.lost, MOST_LOST)),
            self._highest & 0xFFFFFFFF,
            int(self._jitter) & 0xFFFFFFFF,
        )


class Missing:
    """Packets not there yet, each asked for up to three times, the first time once it is overdue."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._asks: dict[int, tuple[Seconds, int]] = {}
        """Number to when to ask next, and how often it was asked for."""

    def heard(self, number: int, now: Seconds) -> bool:
        """Take a packet's number, running on over wraps; return whether it opened a gap."""
        highest = self._highest
        self._highest = number if highest is None else max(number, highest)
        if highest is None or number <= highest:
            self._asks.pop(number, None)
            return False
        if number == highest + 1:
            return False
        if number - highest > MAX_MISSING or len(self._asks) > MAX_MISSING:
            self._asks.clear()
            return False
        self._asks.update(dict.fromkeys(range(highest + 1, number), (now + REORDER_GRACE, 0)))
        return True

    def due(self, now: Seconds) -> list[int]:
        """The sequence numbers to ask for now; those asked for in vain too often are given up."""
        asked = [number for number, (at, _) in self._asks.items() if at <= now]
        for number in asked:
            tries = self._asks[number][1]
            if tries >= MAX_TRIES:
                del self._asks[number]
            else:
                self._asks[number] = now + RETRY_INTERVAL, tries + 1
        return [number & 0xFFFF for number in asked if number in self._asks]

    def next_due(self) -> Seconds | None:
        """When to look again; None while nothing is missing."""
        return min((at for at, _ in self._asks.values()), default=None)
