"""The last packets of one stream, kept to be sent again; pure."""

from collections import deque

from guard.core.units import Seconds
from guard.media.assembler import REPAIR_PACKETS, REPAIR_SPAN, Packet


class History:
    """A ring of packets by their number; the newest replaces what stood in its place, the oldest goes."""

    def __init__(self, capacity: int = REPAIR_PACKETS, span: Seconds = REPAIR_SPAN) -> None:
        self._capacity = capacity
        self._span = span
        self.clear()

    def clear(self) -> None:
        """Forget everything: the numbers begin anew."""
        self._packets: list[Packet | None] = [None] * self._capacity
        self._numbers: list[int | None] = [None] * self._capacity
        """Also of packets that are gone."""
        self._ages: deque[Packet] = deque(maxlen=self._capacity)

    def put(self, packet: Packet) -> bool:
        """Keep a packet; return False for a number that was there, or is older than all that were."""
        number = packet.number
        place = number % self._capacity
        before = self._numbers[place]
        if before is not None and before >= number:
            return False
        self._numbers[place], self._packets[place] = number, packet
        self._ages.append(packet)
        while packet.arrived_at - self._ages[0].arrived_at > self._span:
            old = self._ages.popleft()
            if self._numbers[old.number % self._capacity] == old.number:
                self._packets[old.number % self._capacity] = None
        return True

    def get(self, number: int) -> Packet | None:
        """The packet of this number, if it is still there."""
        kept = self._packets[number % self._capacity]
        return kept if kept is not None and kept.number == number else None
