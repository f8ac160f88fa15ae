"""What a participant looks like from outside."""

from dataclasses import dataclass
from datetime import datetime

from guard.core.types import Assessment
from guard.core.units import ParticipantId, Seconds
from guard.media.publication import PublicationStats


@dataclass(frozen=True, slots=True)
class ParticipantStatus:
    """One participant at one moment."""

    id: ParticipantId
    name: str
    owner: str
    """Who may end the session."""
    joined_at: datetime
    device_label: str
    """What the page said of the camera; a hint, not evidence."""
    notice_shown_at: datetime | None
    assessment: Assessment | None
    """None until the first frame was judged."""
    first_judged_s: Seconds | None
    """From the first picture that could be decoded to its judgement; None until then."""
    judged_fps: float
    """Over the last two seconds."""
    degraded: bool
    """Whether its analysis was given up, after it broke down too often."""
    media: PublicationStats
    relayed: bool
    """Whether others can watch them here; nobody can who is pulled from elsewhere."""
