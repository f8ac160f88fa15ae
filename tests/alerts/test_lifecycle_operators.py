from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.alerts.lifecycle import Acknowledgement, AlertKind, CloseReason, Participant, Suppression
from guard.core.errors import NotFoundError, SignallingError
from guard.core.types import Family, TransitionKind
from tests.support.alerts import START, WHO, BookInTime, clearing, raising, transition, updating

pytestmark = pytest.mark.unit


def test_an_acknowledgement_is_one_update_and_stays_with_the_alert():
    desk = BookInTime()
    desk.take(raising(0.0))
    event = desk.acknowledge(1.0)
    assert (event.kind, event.seq, event.comment) == (AlertKind.UPDATED, 2, "called back")
    (update,) = desk.take(updating(7.0, severity=4))
    (cleared,) = desk.take(clearing(30.0))
    (again,) = desk.take(raising(40.0))
    taken = Acknowledgement("Grace", START + timedelta(seconds=1), "called back")
    assert [one.acknowledgement for one in (event, update, cleared, again)] == [taken] * 4
    assert [one.seq for one in (update, cleared, again)] == [3, 4, 5]
    assert [one.comment for one in (update, cleared, again)] == [""] * 3


def test_a_second_acknowledgement_replaces_the_first():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.acknowledge(1.0)
    event = desk.acknowledge(2.0, by="Edsger")
    assert event.acknowledgement == Acknowledgement("Edsger", START + timedelta(seconds=2), "called back")


@pytest.mark.parametrize("later", [1.0, 61.0, 3600.0])
def test_a_closed_alert_may_be_acknowledged_and_stays_closed(later: float):
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.take(clearing(30.0))
    desk.take(raising(30.0 + later, Family.PRESENTATION))  # whoever is forgotten, is forgotten now
    event = desk.acknowledge(30.0 + later)
    assert (event.kind, event.alert_id, event.seq) == (AlertKind.UPDATED, "alert-1", 3)
    assert event.closed_at == START + timedelta(seconds=30)
    assert event.close_reason is CloseReason.CLEARED


def test_an_alert_may_be_acknowledged_after_its_participant_left():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.leave(5.0)
    assert desk.acknowledge(6.0).close_reason is CloseReason.PARTICIPANT_LEFT


def test_closed_alerts_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.alerts.lifecycle.MOST_PAST", 2)
    desk = BookInTime()
    for number in range(3):
        desk.take(raising(float(number)), who := Participant("demo-1", f"p-{number}"))
        desk.leave(float(number), who)
    with pytest.raises(NotFoundError):
        desk.acknowledge(9.0, "alert-1")
    assert desk.acknowledge(9.0, "alert-2").alert_id == "alert-2"


def test_an_alert_that_nobody_raised_is_not_found():
    desk = BookInTime()
    desk.take(raising(0.0))
    with pytest.raises(NotFoundError, match="got 'alert-9'; GET /v1/alerts lists them"):
        desk.acknowledge(1.0, "alert-9")
    with pytest.raises(NotFoundError, match=r"got '.x1b'") as refusal:
        desk.suppress(1.0, alert="\x1b")
    assert str(refusal.value).isprintable()


def test_a_suppressed_alert_has_no_updates_until_the_time_is_over():
    desk = BookInTime()
    desk.take(raising(0.0))
    event = desk.suppress(10.0, minutes=30)
    until = START + timedelta(seconds=10, minutes=30)
    at = START + timedelta(seconds=10)
    assert event.suppression == Suppression("Grace", at, until, "known filter")
    assert (event.kind, event.seq, event.comment) == (AlertKind.UPDATED, 2, "known filter")
    for second in range(11, 1810):
        assert desk.take(updating(float(second), probability=second % 2, severity=4)) == ()
    (event,) = desk.take(updating(1810.0))
    assert (event.seq, event.severity, event.suppression) == (3, 4, None)
    assert desk.take(updating(1811.0, probability=0.1)) == ()


def test_the_end_of_a_suppression_is_told_though_nothing_else_changed():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0, minutes=1)
    (event,) = desk.take(updating(70.0))
    assert (event.kind, event.suppression) == (AlertKind.UPDATED, None)
    assert desk.take(updating(80.0)) == ()


def test_a_suppressed_alert_still_clears_and_is_not_raised_again_meanwhile():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0, minutes=30)
    (cleared,) = desk.take(clearing(20.0))
    assert (cleared.kind, cleared.suppression is None) == (AlertKind.CLEARED, False)
    for second in (30.0, 200.0, 1800.0):
        assert desk.take(raising(second)) == ()
        assert desk.take(clearing(second + 5.0)) == ()
    assert desk.book.open_alerts(WHO) == ()
    assert desk.take(updating(1811.0)) == ()
    (raised,) = desk.take(raising(1820.0))
    assert (raised.kind, raised.alert_id, raised.suppression) == (AlertKind.RAISED, "alert-2", None)


def test_what_is_still_suspected_when_the_suppression_ends_is_raised_then():
    # the decision raises once and then only updates: a raise that was held back must not be lost
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0, minutes=30)
    desk.take(clearing(20.0))
    desk.take(raising(300.0))
    for second in range(301, 1810):
        assert desk.take(updating(float(second))) == ()
    (raised,) = desk.take(updating(1810.0, severity=4))
    assert (raised.kind, raised.alert_id, raised.severity) == (AlertKind.RAISED, "alert-2", 4)
    assert desk.take(updating(1811.0)) == ()


def test_an_alert_reopened_after_its_suppression_is_no_longer_suppressed():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0, minutes=1)
    desk.take(clearing(60.0))
    (event,) = desk.take(raising(75.0))
    assert (event.alert_id, event.reopened, event.suppression) == ("alert-1", True, None)


def test_a_suppression_is_for_one_participant_and_one_family():
    desk = BookInTime()
    other = Participant("demo-1", "p-8")
    desk.take(raising(0.0))
    desk.suppress(10.0)
    assert [event.kind for event in desk.take(raising(20.0, Family.PRESENTATION))] == [AlertKind.RAISED]
    assert [event.kind for event in desk.take(raising(20.0), other)] == [AlertKind.RAISED]


def test_a_suppression_ends_when_the_participant_leaves():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0)
    (closed,) = desk.leave(20.0)
    assert closed.close_reason is CloseReason.PARTICIPANT_LEFT
    assert [event.kind for event in desk.take(raising(30.0))] == [AlertKind.RAISED]


def test_a_raise_that_was_held_back_is_forgotten_when_the_participant_leaves():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0)
    desk.take(clearing(20.0))
    desk.take(raising(30.0))
    assert desk.leave(40.0) == ()
    assert desk.take(updating(50.0)) == ()


def test_a_second_suppression_sets_a_new_end():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0, minutes=30)
    desk.suppress(20.0, minutes=1)
    assert desk.take(updating(79.0, severity=5)) == ()
    assert len(desk.take(updating(80.0, severity=5))) == 1


def test_an_acknowledgement_is_told_of_a_suppressed_alert_too():
    desk = BookInTime()
    desk.take(raising(0.0))
    suppression = desk.suppress(10.0).suppression
    assert desk.acknowledge(20.0).suppression == suppression


@pytest.mark.parametrize("minutes", [-1.0, 1441.0, float("inf"), float("nan")])
def test_a_suppression_has_an_end_within_a_day(minutes: float):
    desk = BookInTime()
    desk.take(raising(0.0))
    with pytest.raises(SignallingError, match=r"expected 0 \(to end it\) to 1440 minutes"):
        desk.suppress(1.0, minutes)
    assert len(desk.take(updating(10.0, severity=4))) == 1


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_a_suppression_has_a_reason(reason: str):
    desk = BookInTime()
    desk.take(raising(0.0))
    with pytest.raises(SignallingError, match="expected a reason"):
        desk.suppress(1.0, reason=reason)


def test_a_closed_alert_cannot_be_suppressed():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.take(clearing(30.0))
    with pytest.raises(SignallingError, match="expected an open alert"):
        desk.suppress(31.0)


def test_a_suppression_can_be_lifted_once_its_alert_has_cleared():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0, minutes=1440)
    desk.take(clearing(20.0))
    desk.take(raising(300.0))
    event = desk.suppress(310.0, minutes=0)
    assert (event.kind, event.suppression, event.comment) == (AlertKind.UPDATED, None, "known filter")
    assert event.closed_at == START + timedelta(seconds=20)
    (raised,) = desk.take(updating(311.0))
    assert (raised.kind, raised.alert_id) == (AlertKind.RAISED, "alert-2")


def test_a_suppression_of_a_closed_alert_gets_a_new_end_while_it_runs():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0, minutes=30)
    desk.take(clearing(20.0))
    assert desk.suppress(30.0, minutes=1).suppression is not None
    assert desk.take(raising(80.0)) == ()
    assert len(desk.take(updating(90.0))) == 1
    desk.leave(91.0)
    with pytest.raises(SignallingError, match="expected an open alert"):
        desk.suppress(92.0, minutes=0)


def test_no_minutes_end_the_suppression_of_an_open_alert():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0)
    assert desk.suppress(20.0, minutes=0).suppression is None
    (event,) = desk.take(updating(30.0, severity=4))
    assert (event.kind, event.suppression) == (AlertKind.UPDATED, None)


def test_an_acknowledgement_after_the_suppression_ended_no_longer_tells_of_it():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.suppress(10.0, minutes=1)
    assert desk.acknowledge(69.9).suppression is not None
    assert desk.acknowledge(70.0).suppression is None
    (closed,) = desk.leave(80.0)
    assert closed.suppression is None


STEP_S = 10.0


@given(st.lists(st.tuples(st.booleans(), st.none() | st.floats(0.1, 3.0)), max_size=60))
def test_what_the_decision_holds_for_suspect_is_open_whenever_it_is_not_suppressed(
    steps: list[tuple[bool, float | None]],
):
    desk, suspected, silent_until = BookInTime(), False, 0.0
    for number, (suspect, minutes) in enumerate(steps):
        now = number * STEP_S
        if suspect or suspected:  # as the decision does: raise once, update while it lasts, clear once
            kind = TransitionKind.UPDATE if suspected else TransitionKind.RAISE
            desk.take(transition(kind if suspect else TransitionKind.CLEAR, now))
        suspected = suspect
        alerts = desk.book.open_alerts(WHO)
        assert len(alerts) == suspected if now >= silent_until else len(alerts) <= suspected
        if minutes is not None and alerts:
            desk.suppress(now, minutes, alerts[0])
            silent_until = now + 60.0 * minutes
