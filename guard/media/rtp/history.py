"""The last packets of one stream, kept to be sent again; pure."""

from guard.media.assembler import Packet

HISTORY_PACKETS = 512
"""Two to three seconds of video at 2 Mbit/s: longer than any receiver waits."""


class History:
    """A ring of packets by their number; the newest replaces what stood in its place."""

    def __init__(self, capacity: int = HISTORY_PACKETS) -> None:
        self._capacity = capacity
        self._places: list[tuple[int, Packet] | None] = [None] * capacity

    def put(self, number: int, packet: Packet) -> bool:
        """Keep a packet; return False for a number that was there before, or is older than all that is kept.

        ``number`` runs on over wraps.
        """
        kept = self._places[number % self._capacity]
        if kept is not None and kept[0] >= number:
            return False
        self._places[number % self._capacity] = number, packet
        return True

    def get(self, number: int) -> Packet | None:
        """The packet of this number, if it is still there."""
        kept = self._places[number % self._capacity]
        return kept[1] if kept is not None and kept[0] == number else None
