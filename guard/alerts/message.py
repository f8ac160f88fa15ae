"""From alert events to messages and back, with the words for people."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import ValidationError

from guard.alerts.lifecycle import Acknowledgement, AlertEvent, AlertKind, Suppression
from guard.alerts.schema import (
    RESOLVED,
    Acknowledged,
    Analytic,
    Attack,
    CueValues,
    Details,
    EngineDigest,
    Envelope,
    Evidence,
    External,
    Finding,
    FindingInfo,
    Metadata,
    Product,
    Resource,
    Suppressed,
    Technique,
    Unmapped,
)
from guard.core.errors import SignallingError
from guard.core.types import Contribution, Cue, Family, Reason
from guard.core.words import in_words, printable

__all__ = ["AlertMessage", "EngineDigest", "Issuer", "encode", "parse", "plain_words", "travelling_name"]

LONGEST_NAME = 80, 160
"""Characters of a name that travel, and bytes that they may take in JSON."""

LONGEST_REASON = 200, 240
"""The same of what an operator gives as a reason."""

LONGEST_MESSAGE = 4096
"""Bytes. The bounds above leave room for all but many cues: the weakest are left out then."""

SUSPECTED_OF = {
    Family.MANIPULATION: "a manipulated face (swapped or reenacted)",
    Family.PRESENTATION: "a presentation attack (a photo, a screen or a mask held to the camera)",
    Family.INJECTION: "an injection attack (video fed in behind the camera)",
    Family.VOICE: "a cloned voice",
}

TITLES = {
    Family.MANIPULATION: "Suspected face manipulation",
    Family.PRESENTATION: "Suspected presentation attack",
    Family.INJECTION: "Suspected injection attack",
    Family.VOICE: "Suspected voice clone",
    Family.GUARD: "Participant cannot be judged",
}

CUE_WORDS = {
    Cue.FACE_MANIPULATION: "learned manipulation score",
    Cue.FACE_PRESENTATION: "learned presentation score",
    Cue.SECOND_MANIPULATION: "second opinion on manipulation",
    Cue.SECOND_PRESENTATION: "second opinion on presentation",
    Cue.BLINK: "blinking",
    Cue.MOTION: "motion of the face",
}
"""A cue without an entry is told by its name."""

IMPERSONATION = (Attack(technique=Technique(uid="T1656", name="Impersonation")),)
"""MITRE ATT&CK; every family but the guard's own state is a way to pass as somebody else."""

SEVERITIES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}


@dataclass(frozen=True, slots=True)
class Issuer:
    """What every message of a node says of the node."""

    node: str
    version: str
    threshold: float
    """Probability at which alerts rise."""
    engines: tuple[EngineDigest, ...] = ()
    weight_terms: tuple[str, ...] = ()
    """Who may use the engines' weights, one line each; told at birth, not in every alert."""


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """What a subscriber reads from a message; ``envelope`` holds all of it."""

    message_id: str
    """The same however often the message arrives: remove duplicates by it."""
    kind: AlertKind
    alert_id: str
    seq: int
    family: Family
    severity: int
    at: datetime
    raised_at: datetime
    session_id: str
    participant_id: str
    display_name: str
    text: str
    envelope: Envelope


def encode(event: AlertEvent, issuer: Issuer) -> bytes:
    """The message as UTF-8 JSON, media type ``application/cloudevents+json``, at most 4 KiB."""
    finding = _finding(event, issuer)
    payload = _dump(event, issuer, finding)
    while len(payload) > LONGEST_MESSAGE and finding.evidences:
        finding = finding.model_copy(update={"evidences": finding.evidences[:-1]})
        payload = _dump(event, issuer, finding)
    return payload


def parse(payload: bytes) -> AlertMessage:
    """Read a message; raise SignallingError when it is none of ours."""
    try:
        envelope = Envelope.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "payload"
        msg = f"alert message: expected CloudEvents JSON of a guard alert, got {first['msg']!a} at {where}"
        raise SignallingError(msg) from error
    finding = envelope.data
    details = finding.unmapped.guard
    return AlertMessage(
        message_id=envelope.id,
        kind=AlertKind(envelope.type.rpartition(".")[2]),
        alert_id=envelope.subject,
        seq=envelope.seq,
        family=details.family,
        severity=envelope.severity,
        at=envelope.time,
        raised_at=datetime.fromtimestamp(finding.start_time / 1000, UTC),
        session_id=details.session_id,
        participant_id=details.participant_id,
        display_name=finding.resources[0].name or "",
        text=finding.message,
        envelope=envelope,
    )


def plain_words(event: AlertEvent) -> str:
    """Two or three sentences for people; never says more than "suspected"."""
    who = travelling_name(event.participant.display_name) or f"Participant {event.participant.participant_id}"
    if event.close_reason is None:
        return f"{who} {_suspicion(event, 'is', 'sends video that cannot be judged')}"
    suspicion = _suspicion(event, "was", "sent video that could not be judged")
    return f"{who} {suspicion} Closed: {event.close_reason.replace('_', ' ')}."


def travelling_name(text: str) -> str:
    """A name as it may stand in a payload: short, valid Unicode, and harmless on a terminal."""
    return _travelling(text, LONGEST_NAME)


def _travelling(text: str, longest: tuple[int, int]) -> str:
    characters, octets = longest
    harmless = printable(text, characters)
    while len(json.dumps(harmless, ensure_ascii=False).encode()) - len('""') > octets:
        harmless = harmless[:-1]
    return harmless


def _suspicion(event: AlertEvent, verb: str, unjudged: str) -> str:
    if event.family is Family.GUARD:
        return f"{unjudged} ({in_words(event.transition.reasons) or 'no reason known'})."
    cues = ", ".join(cue_in_words(part) for part in event.transition.contributions[:3] if part.log_odds > 0)
    return f"{verb} suspected of {SUSPECTED_OF[event.family]}. Strongest cues: {cues or 'none'}."


def cue_in_words(part: Contribution) -> str:
    """What a cue says, for people: its rise is told apart from its level."""
    words = CUE_WORDS.get(part.cue, part.cue.value)
    return f"sudden change of the {words}" if part.reason is Reason.SPIKE else words


def _dump(event: AlertEvent, issuer: Issuer, finding: Finding) -> bytes:
    envelope = Envelope(
        id=event.message_id,
        source=f"/guard/{issuer.node}",
        type=f"io.guard.alert.{event.kind.value}",
        subject=event.alert_id,
        time=event.at,
        severity=event.severity,
        seq=event.seq,
        data=finding,
    )
    return envelope.model_dump_json(exclude_none=True).encode()


def _finding(event: AlertEvent, issuer: Issuer) -> Finding:
    activity = _activity(event)
    status_id, status = _status(event)
    raised, seen = _milliseconds(event.raised_at), _milliseconds(event.closed_at or event.at)
    return Finding(
        activity_id=activity,
        type_uid=_TYPE_UID[activity],
        time=_milliseconds(event.at),
        start_time=raised,
        end_time=seen if event.closed_at is not None else None,
        duration=max(seen - raised, 0),
        count=event.seq,
        severity_id=event.severity,
        severity=SEVERITIES[event.severity],
        status_id=status_id,
        status=status,
        status_detail=event.close_reason,
        comment=_travelling(event.comment, LONGEST_REASON) or None,
        confidence_score=round(100 * event.transition.probability),
        message=plain_words(event),
        metadata=Metadata(product=Product(version=issuer.version), uid=event.message_id, sequence=event.seq),
        finding_info=_finding_info(event, raised, seen),
        resources=(_resource(event),),
        evidences=tuple(map(_evidence, event.transition.contributions)),
        unmapped=Unmapped(guard=_details(event, issuer)),
    )


_TYPE_UID: dict[Literal[1, 2, 3], Literal[200401, 200402, 200403]] = {1: 200401, 2: 200402, 3: 200403}
"""OCSF: class_uid * 100 + activity_id."""


def _activity(event: AlertEvent) -> Literal[1, 2, 3]:
    """OCSF activity: Create, Update or Close."""
    if event.kind is AlertKind.CLEARED:
        return 3
    # a finding that is reopened exists already: OCSF creates a uid once
    return 1 if event.kind is AlertKind.RAISED and not event.reopened else 2


def _status(event: AlertEvent) -> tuple[Literal[1, 2, 3, 4], str]:
    """OCSF status and its caption."""
    if event.closed_at is not None:
        return RESOLVED, "Resolved"
    if event.suppression is not None:
        return 3, "Suppressed"
    return (1, "New") if _activity(event) == 1 else (2, "In Progress")


def _finding_info(event: AlertEvent, raised: int, seen: int) -> FindingInfo:
    return FindingInfo(
        uid=event.alert_id,
        title=TITLES[event.family],
        types=(event.family,),
        first_seen_time=raised,
        last_seen_time=seen,
        analytic=Analytic(uid=f"guard.{event.family}", name=TITLES[event.family]),
        attacks=None if event.family is Family.GUARD else IMPERSONATION,
    )


def _resource(event: AlertEvent) -> Resource:
    who = event.participant
    return Resource(
        uid=who.participant_id,
        name=travelling_name(who.display_name) or None,
        data=External(external_id=travelling_name(who.external_id)) if who.external_id else None,
    )


def _evidence(part: Contribution) -> Evidence:
    return Evidence(
        name=_evidence_name(part),
        data=CueValues(
            value=round(part.value, 3),
            weight=round(part.weight, 3),
            log_odds=round(part.log_odds, 3),
            reason=part.reason,
        ),
    )


def _evidence_name(part: Contribution) -> str:
    # a learned cue may speak twice, by its level and by a jump from the face track's own usual level
    return f"cue.{part.cue}.spike" if part.reason is Reason.SPIKE else f"cue.{part.cue}"


def _details(event: AlertEvent, issuer: Issuer) -> Details:
    return Details(
        family=event.family,
        session_id=event.participant.session_id,
        participant_id=event.participant.participant_id,
        face_id=event.transition.face_id,
        probability=round(event.transition.probability, 3),
        threshold=issuer.threshold,
        coverage=round(event.transition.coverage, 3),
        reason_codes=event.transition.reasons,
        engines=issuer.engines,
        reopened=event.reopened,
        acknowledged=_acknowledged(event.acknowledgement),
        suppressed=_suppressed(event.suppression),
    )


def _acknowledged(said: Acknowledgement | None) -> Acknowledged | None:
    if said is None:
        return None
    return Acknowledged(
        by=travelling_name(said.by), at=said.at, reason=_travelling(said.reason, LONGEST_REASON)
    )


def _suppressed(said: Suppression | None) -> Suppressed | None:
    if said is None:
        return None
    reason = _travelling(said.reason, LONGEST_REASON)
    return Suppressed(by=travelling_name(said.by), at=said.at, until=said.until, reason=reason)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
