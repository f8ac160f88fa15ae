"""Who joins, as their token and their page say."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who begins a session. All of it is personal: it travels in payloads only."""

    name: str
    """Shown to people."""
    owner: str
    """Who may end the session."""
    expires_at: float | None = None
    """POSIX seconds; the session ends then. None where nothing limits it."""
    device_label: str = ""
    """What the page says of the camera; a hint, not evidence."""
    notice_shown_at: datetime | None = None
    """When the visitor accepted the notice; None where no page showed it."""
    external_id: str = ""
    """Who they are to whoever gave them the token, where that is more than the name; stands in alerts."""
