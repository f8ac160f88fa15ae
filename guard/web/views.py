"""What the REST side and the live events show, as JSON."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator

from guard.alerts.lifecycle import CloseReason
from guard.alerts.record import AlertRecord
from guard.core.types import FAMILY_OF, Contribution, Cue, Family, Reason, State
from guard.session.rooms import RoomStatus
from guard.session.status import ParticipantStatus


class ContributionView(BaseModel):
    """What one cue says, in log-odds of an attack."""

    cue: Cue
    family: Family
    value: float
    weight: float
    log_odds: float
    reason: Reason


def _contribution(part: Contribution) -> ContributionView:
    return ContributionView(
        cue=part.cue,
        family=FAMILY_OF[part.cue],
        value=round(part.value, 3),
        weight=round(part.weight, 3),
        log_odds=round(part.log_odds, 3),
        reason=part.reason,
    )


def _contributions(parts: Iterable[Contribution]) -> list[ContributionView]:
    return [_contribution(part) for part in parts]


class GuestView(BaseModel):
    """A participant as the others in the room see them."""

    id: str
    name: str
    whep: str | None
    """Where to POST an offer to watch them; null where they are pulled from another server."""

    @classmethod
    def of(cls, room: str, status: ParticipantStatus) -> Self:
        """What may be told of this participant to others in the room."""
        return cls(id=status.id, name=status.name, whep=_whep(room, status))


class ParticipantView(GuestView):
    """A participant as administrators see them, and where the policy allows it, they themselves."""

    state: State
    liveness: float | None
    """1 where nothing speaks for an attack; null while the state is insufficient, like ``deepfake``."""
    deepfake: float | None
    coverage: float
    """Share of the last seconds that could be judged."""
    judged_fps: float
    fps: float
    reasons: list[Reason]
    contributions: list[ContributionView]
    joined_at: datetime
    device_label: str
    """What their page said of the camera; a hint, not evidence."""
    notice_shown_at: datetime | None
    degraded: bool
    """Whether their analysis broke down too often and was given up."""

    @classmethod
    def of(cls, room: str, status: ParticipantStatus) -> Self:
        """All that is known of this participant now."""
        seen = status.assessment
        return cls(
            id=status.id,
            name=status.name,
            whep=_whep(room, status),
            state=seen.state if seen else State.INSUFFICIENT,
            liveness=seen.told_liveness if seen else None,
            deepfake=seen.told_deepfake if seen else None,
            coverage=round(seen.coverage, 3) if seen else 0.0,
            judged_fps=round(status.judged_fps, 2),
            fps=round(status.media.fps, 2),
            reasons=list(seen.reasons) if seen else [Reason.WARMING_UP],
            contributions=_contributions(seen.contributions) if seen else [],
            joined_at=status.joined_at,
            device_label=status.device_label,
            notice_shown_at=status.notice_shown_at,
            degraded=status.degraded,
        )


class OwnView(BaseModel):
    """How participants see themselves, where the policy allows it: no score, which would teach to evade."""

    id: str
    state: State
    reasons: list[Reason]

    @classmethod
    def of(cls, status: ParticipantStatus) -> Self:
        """What may be told to the participant."""
        seen = status.assessment
        if seen is None:
            return cls(id=status.id, state=State.INSUFFICIENT, reasons=[Reason.WARMING_UP])
        return cls(id=status.id, state=seen.state, reasons=list(seen.reasons))


class RoomView(BaseModel):
    """One room as administrators see it."""

    id: str
    subscribers: int
    participants: list[ParticipantView]

    @classmethod
    def of(cls, room: RoomStatus) -> Self:
        """The room as it is now."""
        people = [ParticipantView.of(room.id, status) for status in room.participants]
        return cls(id=room.id, subscribers=room.subscribers, participants=people)


class GuestRoomView(BaseModel):
    """One room as those who may join it see it."""

    id: str
    participants: list[GuestView]

    @classmethod
    def of(cls, room_id: str, room: RoomStatus | None) -> Self:
        """Who is in the room now; nobody is in one that there is not."""
        people = room.participants if room else ()
        return cls(id=room_id, participants=[GuestView.of(room_id, status) for status in people])


class AlertView(BaseModel):
    """One alert, from raise to clear; the same facts as its newest message over MQTT."""

    id: str
    family: Family
    severity: int
    """1 informational to 5 critical, as OCSF has it."""
    status: str
    """``open`` or ``cleared``."""
    acknowledged_by: str | None
    suppressed_until: datetime | None
    raised_at: datetime
    updated_at: datetime
    cleared_at: datetime | None
    close_reason: CloseReason | None
    session_id: str
    participant_id: str
    display_name: str
    text: str
    """In plain words, for people."""
    probability: float
    coverage: float
    reasons: list[Reason]
    contributions: Annotated[list[ContributionView], BeforeValidator(_contributions)]

    @classmethod
    def of(cls, record: AlertRecord) -> Self:
        """The alert as it was told last."""
        return cls.model_validate(record, from_attributes=True)


class Notice(BaseModel):
    """What a visitor is told before the camera opens."""

    operator: str
    contact: str
    purpose: str
    analysed: list[str]
    kept: str
    show_own_state: bool
    """Whether participants are shown how they themselves are judged."""
    version: str


class Readiness(BaseModel):
    """Whether the node can do its work, and what stands in the way."""

    ready: bool
    reasons: list[str]
    """Why it takes no calls; empty when it does."""
    warnings: list[str]
    """What is wrong beside that; told to administrators only."""
    weights: list[str]
    """Terms of the weights in use, one line an engine."""


def _whep(room: str, status: ParticipantStatus) -> str | None:
    return f"/whep/{room}/{status.id}" if status.relayed else None
