"""An alert as it was told last: one shape for lists over REST and for live events."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar

from guard.alerts.lifecycle import CloseReason
from guard.alerts.message import AlertMessage
from guard.alerts.schema import RESOLVED, Evidence
from guard.core.types import Contribution, Cue, Family, Reason

_Word = TypeVar("_Word", bound=str)


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """One alert by its newest message. Names, words of operators and ``text`` are personal."""

    id: str
    family: Family
    severity: int
    """OCSF severity, 1..5."""
    status: Literal["open", "cleared"]
    raised_at: datetime
    updated_at: datetime
    """When the newest message was made."""
    cleared_at: datetime | None
    close_reason: CloseReason | None
    session_id: str
    participant_id: str
    display_name: str
    text: str
    probability: float
    """Now, or of a cleared alert when it stood strongest, like the next three."""
    coverage: float
    reasons: tuple[Reason, ...]
    contributions: tuple[Contribution, ...]
    """Strongest first."""
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    suppressed_until: datetime | None
    """May have passed: the next news of an open alert says so."""


def record_of(message: AlertMessage) -> AlertRecord:
    """What a message says of its alert; cues and reasons that this version does not know are left out."""
    finding = message.envelope.data
    details = finding.unmapped.guard
    taken, silenced = details.acknowledged, details.suppressed
    return AlertRecord(
        id=message.alert_id,
        family=message.family,
        severity=message.severity,
        status="cleared" if finding.status_id == RESOLVED else "open",
        raised_at=message.raised_at,
        updated_at=message.at,
        cleared_at=None if finding.end_time is None else datetime.fromtimestamp(finding.end_time / 1000, UTC),
        close_reason=_known(CloseReason, finding.status_detail),
        session_id=message.session_id,
        participant_id=message.participant_id,
        display_name=message.display_name,
        text=message.text,
        probability=details.probability,
        coverage=details.coverage,
        reasons=tuple(reason for code in details.reason_codes if (reason := _known(Reason, code))),
        contributions=tuple(part for one in finding.evidences if (part := _contribution(one))),
        acknowledged_by=taken.by if taken else None,
        acknowledged_at=taken.at if taken else None,
        suppressed_until=silenced.until if silenced else None,
    )


def _contribution(evidence: Evidence) -> Contribution | None:
    cue = _known(Cue, evidence.name.removeprefix("cue.").removesuffix(".spike"))
    said = evidence.data
    reason = _known(Reason, said.reason)
    if cue is None or reason is None:
        return None
    return Contribution(cue, said.value, said.weight, said.log_odds, reason)


def _known(words: Iterable[_Word], text: str | None) -> _Word | None:
    return next((word for word in words if word == text), None)
