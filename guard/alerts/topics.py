"""MQTT topics of one node: segments are ids made by us, never names.

A NUL in a topic passes the client's check, makes the broker drop the link, and so blocks every later alert.
"""

import re
from dataclasses import dataclass

from guard.core.errors import SignallingError
from guard.core.units import ParticipantId

_SEGMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def segment(text: str) -> str:
    """Return ``text`` when it may stand between two slashes; raise SignallingError otherwise."""
    if not _SEGMENT.fullmatch(text):
        msg = (
            f"topic segment: expected 1 to 64 characters of A-Z a-z 0-9 _ -, got {text[:80]!a}; "
            f"use an id made by the node and put names into the payload"
        )
        raise SignallingError(msg)
    return text


@dataclass(frozen=True, slots=True)
class Topics:
    """Where a node publishes; raises SignallingError for ids that are no plain segments."""

    node: str

    def __post_init__(self) -> None:
        segment(self.node)

    @property
    def prefix(self) -> str:
        """What every topic of the node begins with."""
        return f"guard/v1/{self.node}"

    @property
    def status(self) -> str:
        """``online`` or ``offline``, retained; also the last will."""
        return f"{self.prefix}/status"

    @property
    def birth(self) -> str:
        """Version, engines and thresholds of the running node, retained."""
        return f"{self.prefix}/birth"

    @property
    def health(self) -> str:
        """Figures of the running node."""
        return f"{self.prefix}/health"

    def state(self, session_id: str, participant_id: ParticipantId) -> str:
        """A participant's newest assessment, retained; emptied when they leave."""
        return f"{self._participant(session_id, participant_id)}/state"

    def score(self, session_id: str, participant_id: ParticipantId) -> str:
        """A participant's score series, at most one a second."""
        return f"{self._participant(session_id, participant_id)}/score"

    def alert(self, alert_id: str) -> str:
        """The life of one alert."""
        return f"{self.prefix}/alert/{segment(alert_id)}"

    def active(self, alert_id: str) -> str:
        """The newest message of an open alert, retained; emptied when it closes."""
        return f"{self.prefix}/active/{segment(alert_id)}"

    def _participant(self, session_id: str, participant_id: ParticipantId) -> str:
        return f"{self.prefix}/session/{segment(session_id)}/p/{segment(participant_id)}"
