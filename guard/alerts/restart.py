"""Alerts that were open when an earlier run ended: nobody watches over them, so the next run closes them."""

from dataclasses import replace
from datetime import datetime

import structlog

from guard.alerts.lifecycle import (
    Acknowledgement,
    AlertEvent,
    AlertKind,
    CloseReason,
    Participant,
    Suppression,
)
from guard.alerts.message import AlertMessage, Issuer, encode, parse
from guard.alerts.outbox import Letter, Outbox
from guard.alerts.record import record_of
from guard.core.errors import DeliveryError, SignallingError
from guard.core.types import Transition, TransitionKind
from guard.core.units import ParticipantId

logger = structlog.get_logger(__name__)

MOST_CLOSED = 10_000
"""Alerts that are closed at one start, the newest first; any beyond it at the next."""


def close_earlier(outbox: Outbox, issuer: Issuer, wall: datetime) -> None:
    """Write a closing letter for each alert that is open in the outbox; call it before any is raised.

    What the disk does not give or take stays open until the next start, and is logged.
    """
    letters = []
    try:
        for row in outbox.newest(MOST_CLOSED, open_only=True):
            try:
                letters.append(_closing(parse(row.payload), issuer, wall))
            except SignallingError as error:
                logger.warning("alert cannot be read", alert=row.alert_id, error=str(error))
        outbox.add(letters)
    except DeliveryError:
        logger.exception("alerts of an earlier run stay open")
        return
    if letters:
        logger.info("alerts of an earlier run closed", alerts=len(letters))


def _closing(told: AlertMessage, issuer: Issuer, wall: datetime) -> Letter:
    """The letter that closes an alert as it was told last, by the engines and the threshold of then."""
    details = told.envelope.data.unmapped.guard
    event = _closed(told, wall)
    judged = replace(issuer, engines=details.engines, threshold=details.threshold)
    return Letter(event.message_id, event.alert_id, closes=True, payload=encode(event, judged), made_at=wall)


def _closed(told: AlertMessage, wall: datetime) -> AlertEvent:
    record, details = record_of(told), told.envelope.data.unmapped.guard
    taken, silenced, who = details.acknowledged, details.suppressed, told.envelope.data.resources[0]
    return AlertEvent(
        kind=AlertKind.CLEARED,
        alert_id=told.alert_id,
        seq=told.seq + 1,
        participant=Participant(
            told.session_id,
            ParticipantId(told.participant_id),
            told.display_name,
            who.data.external_id if who.data else "",
        ),
        family=told.family,
        severity=told.severity,
        raised_at=told.raised_at,
        at=wall,
        transition=Transition(
            family=told.family,
            kind=TransitionKind.CLEAR,
            at=0.0,
            probability=details.probability,
            severity=told.severity,
            coverage=details.coverage,
            contributions=record.contributions,
            reasons=record.reasons,
            face_id=details.face_id,
        ),
        closed_at=wall,
        close_reason=CloseReason.NODE_RESTARTED,
        acknowledgement=Acknowledgement(taken.by, taken.at, taken.reason) if taken else None,
        suppression=Suppression(silenced.by, silenced.at, silenced.until, silenced.reason)
        if silenced and silenced.until > wall
        else None,
    )
