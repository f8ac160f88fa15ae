"""The last packets of one stream, kept to be sent again; pure."""

from guard.media.assembler import Packet

HISTORY_PACKETS = 512
"""Two to three seconds of video at 2 Mbit/s: longer than any receiver waits."""


class History:
    """A ring of packets by their number; the newest replaces what stood in its place."""

    def __init__(self, capacity: int = HISTORY_PACKETS) -> None:
        self._capacity = capacity
        self._places: list[Packet | None]
        self.clear()

    def clear(self) -> None:
        """Forget everything: the numbers begin anew."""
        self._places = [None] * self._capacity

    def put(self, packet: Packet) -> bool:
        """Keep a packet; return False for a number that was there, or is older than all that is kept."""
        place = packet.number % self._capacity
        kept = self._places[place]
        if kept is not None and kept.number >= packet.number:
            return False
        self._places[place] = packet
        return True

    def get(self, number: int) -> Packet | None:
        """The packet of this number, if it is still there."""
        kept = self._places[number % self._capacity]
        return kept if kept is not None and kept.number == number else None
