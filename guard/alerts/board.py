"""What stands at a topic: the newest word wins, older ones are never sent."""

import threading
from dataclasses import dataclass

MOST_TOPICS = 4096
"""Two for each participant on a node, with room to spare."""


@dataclass(frozen=True, slots=True)
class Note:
    """One payload for one topic. A retained note with an empty payload empties the topic."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


class Board:
    """Notes waiting to be sent, one a topic, and what is retained at the broker.

    Policy newest-wins by topic; beyond ``MOST_TOPICS`` the oldest topic goes, counted in ``dropped``. Any
    thread may post; one task sends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Note] = {}
        self._retained: dict[str, Note] = {}
        self.dropped = 0

    def post(self, note: Note) -> None:
        """Put a note up in place of the one at the same topic."""
        with self._lock:
            self._put(self._waiting, note)

    def repost(self) -> None:
        """Put up again what a broker that forgot everything must be told."""
        with self._lock:
            self._waiting = {**self._retained, **self._waiting}

    def next(self) -> Note | None:
        """The note that waits longest; it stays until ``sent``."""
        with self._lock:
            return next(iter(self._waiting.values()), None)

    def sent(self, note: Note) -> None:
        """The broker has it; a newer note at the same topic keeps waiting."""
        with self._lock:
            if self._waiting.get(note.topic) is note:
                del self._waiting[note.topic]
            if note.retain and note.payload:
                self._put(self._retained, note)
            else:
                self._retained.pop(note.topic, None)

    def _put(self, notes: dict[str, Note], note: Note) -> None:
        if note.topic not in notes and len(notes) >= MOST_TOPICS:
            del notes[next(iter(notes))]
            self.dropped += 1
        notes[note.topic] = note

    def __len__(self) -> int:
        return len(self._waiting)
