"""A subscriber's numbers: the publisher's with a constant offset, so that gaps stay gaps; pure."""

from guard.core.units import Seconds


class Rewrite:
    """Maps a publisher's numbers and timestamps onto a stream of our own that never leaps.

    ``number`` is a sequence number that runs on over wraps. ``begin`` once before all else, and again when
    the publisher's stream begins anew: ours goes on from where it was.
    """

    def __init__(self, first_number: int, clock_rate: int) -> None:
        self.base = 0
        """The publisher's first number since ``begin``; earlier ones have no place in our stream."""
        self._rate = clock_rate
        self._next = first_number
        self._offset = 0
        self._ticks = 0
        self._newest: int | None = None
        self._newest_at: Seconds = 0.0

    def begin(self, number: int, timestamp: int, now: Seconds) -> None:
        """Let the publisher's ``number`` and ``timestamp`` follow on what was placed before."""
        self.base = number
        self._offset = self._next - number
        if self._newest is not None:
            elapsed = max(1, round((now - self._newest_at) * self._rate))
            self._ticks = self._newest + elapsed - timestamp

    def place(self, number: int, timestamp: int, now: Seconds) -> tuple[int, int]:
        """Our sequence number and timestamp for the publisher's."""
        ours = number + self._offset
        placed = self.timestamp(timestamp)
        if ours >= self._next:
            self._next = ours + 1
            self._newest, self._newest_at = placed, now
        return ours & 0xFFFF, placed

    def timestamp(self, timestamp: int) -> int:
        """Our timestamp for the publisher's, 0..2**32-1."""
        return (timestamp + self._ticks) & 0xFFFFFFFF

    def original(self, sequence_number: int) -> int:
        """The publisher's number for one of our latest sequence numbers."""
        newest = self._next - 1
        return newest - ((newest - sequence_number) & 0xFFFF) - self._offset
