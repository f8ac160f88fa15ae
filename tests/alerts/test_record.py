import json
from datetime import UTC, datetime, timedelta

import pytest

from guard.alerts.lifecycle import AlertBook, AlertEvent, CloseReason
from guard.alerts.message import encode, parse
from guard.alerts.record import AlertRecord, record_of
from guard.config.settings import AlertSettings
from guard.core.types import Contribution, Cue, Family, Reason, TransitionKind
from tests.support.alerts import ISSUER, WHO, clearing, raising, transition

pytestmark = pytest.mark.unit

RAISED_AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def book() -> AlertBook:
    return AlertBook(AlertSettings(), lambda _: "alert-1")


def record(event: AlertEvent) -> AlertRecord:
    return record_of(parse(encode(event, ISSUER)))


def after(seconds: float) -> datetime:
    return RAISED_AT + timedelta(seconds=seconds)


def test_a_record_says_what_the_message_says(book: AlertBook):
    (raised,) = book.handle(WHO, raising(0.0), 0.0, RAISED_AT)
    assert record(raised) == AlertRecord(
        id="alert-1",
        family=Family.MANIPULATION,
        severity=3,
        status="open",
        raised_at=RAISED_AT,
        updated_at=RAISED_AT,
        cleared_at=None,
        close_reason=None,
        session_id="demo-1",
        participant_id="p-7",
        display_name="Ada",
        text="Ada is suspected of a manipulated face (swapped or reenacted). "
        "Strongest cues: learned manipulation score.",
        probability=0.93,
        coverage=0.9,
        reasons=(Reason.LEARNED_SCORE,),
        contributions=raised.transition.contributions,
        acknowledged_by=None,
        acknowledged_at=None,
        suppressed_until=None,
    )


def test_a_cleared_alert_says_what_was_suspected(book: AlertBook):
    (raised,) = book.handle(WHO, raising(0.0), 0.0, RAISED_AT)
    (cleared,) = book.handle(WHO, clearing(30.0), 30.0, after(30.0))
    found = record(cleared)
    assert (found.status, found.close_reason) == ("cleared", CloseReason.CLEARED)
    assert (found.raised_at, found.cleared_at, found.updated_at) == (RAISED_AT, after(30.0), after(30.0))
    assert (found.probability, found.contributions) == (0.93, raised.transition.contributions)
    assert "was suspected of a manipulated face" in found.text


def test_one_that_is_acknowledged_after_it_closed_stays_cleared(book: AlertBook):
    book.handle(WHO, raising(0.0), 0.0, RAISED_AT)
    book.participant_left(WHO, 30.0, after(30.0))
    found = record(book.acknowledge("alert-1", "Grace", "", now=90.0, wall=after(90.0)))
    assert (found.status, found.close_reason) == ("cleared", CloseReason.PARTICIPANT_LEFT)
    assert (found.cleared_at, found.updated_at) == (after(30.0), after(90.0))
    assert (found.acknowledged_by, found.acknowledged_at) == ("Grace", after(90.0))


def test_one_that_is_raised_again_is_open(book: AlertBook):
    book.handle(WHO, raising(0.0), 0.0, RAISED_AT)
    book.handle(WHO, clearing(30.0), 30.0, after(30.0))
    (again,) = book.handle(WHO, raising(40.0), 40.0, after(40.0))
    found = record(again)
    assert (found.status, found.cleared_at, found.close_reason) == ("open", None, None)


def test_a_suppression_is_told_with_its_end(book: AlertBook):
    book.handle(WHO, raising(0.0), 0.0, RAISED_AT)
    found = record(book.suppress("alert-1", "Grace", "known filter", 1.5, now=10.0, wall=after(10.0)))
    assert (found.status, found.suppressed_until) == ("open", after(100.0))


def test_a_cue_that_speaks_twice_is_two_contributions_of_it(book: AlertBook):
    parts = (
        Contribution(Cue.FACE_MANIPULATION, 0.9, 1.0, 3.0, Reason.LEARNED_SCORE),
        Contribution(Cue.FACE_MANIPULATION, 0.9, 1.0, 2.0, Reason.SPIKE),
    )
    step = transition(TransitionKind.RAISE, 0.0, contributions=parts)
    (raised,) = book.handle(WHO, step, 0.0, RAISED_AT)
    assert record(raised).contributions == parts


def test_words_of_another_version_are_left_out(book: AlertBook):
    (raised,) = book.handle(WHO, raising(0.0), 0.0, RAISED_AT)
    whole = json.loads(encode(raised, ISSUER))
    finding = whole["data"]
    (known,) = finding["evidences"]
    finding["evidences"] = [known | {"name": "cue.of_next_year"}, known]
    finding["unmapped"]["guard"]["reason_codes"] = ["of_next_year", "learned_score"]
    finding["status_detail"] = "of_next_year"
    found = record_of(parse(json.dumps(whole).encode()))
    assert found.contributions == raised.transition.contributions
    assert (found.reasons, found.close_reason) == ((Reason.LEARNED_SCORE,), None)
