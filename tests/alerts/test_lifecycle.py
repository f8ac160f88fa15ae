from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.alerts.lifecycle import AlertKind, CloseReason, Participant, uuid7
from guard.core.types import Cue, Family, Reason, TransitionKind
from tests.support.alerts import START, WHO, BookInTime, clearing, evidence, raising, transition, updating

pytestmark = pytest.mark.unit


def test_one_id_from_raise_to_clear_with_growing_seq():
    desk = BookInTime()
    for step in (raising(0.0), updating(6.0, probability=0.99, severity=4), clearing(30.0)):
        desk.take(step)
    assert desk.kinds() == [AlertKind.RAISED, AlertKind.UPDATED, AlertKind.CLEARED]
    assert {event.alert_id for event in desk.events} == {"alert-1"}
    assert [event.seq for event in desk.events] == [1, 2, 3]
    assert [event.message_id for event in desk.events] == ["alert-1.1", "alert-1.2", "alert-1.3"]
    assert desk.events[2].close_reason is CloseReason.CLEARED
    assert desk.events[2].raised_at == START


def test_updates_come_at_most_every_five_seconds_and_carry_the_newest():
    desk = BookInTime()
    desk.take(raising(0.0))
    for step in range(1, 81):
        desk.take(updating(step / 8, probability=0.5 + (step % 2) * 0.4))
    updates = [event for event in desk.events if event.kind is AlertKind.UPDATED]
    assert len(updates) <= 2
    assert all(b.transition.at - a.transition.at >= 5.0 for a, b in pairwise(updates))


def test_no_update_without_news():
    desk = BookInTime()
    desk.take(raising(0.0))
    for second in range(1, 100):
        desk.take(updating(float(second)))
    assert desk.kinds() == [AlertKind.RAISED]


def test_a_new_cue_is_news():
    desk = BookInTime()
    desk.take(raising(0.0))
    (part,) = evidence()
    another = (part, type(part)(Cue.BLINK, 0.9, 1.0, 2.0, part.reason))
    (event,) = desk.take(transition(TransitionKind.UPDATE, 6.0, contributions=another))
    assert event.kind is AlertKind.UPDATED


def test_another_reason_of_the_same_cue_is_none():
    desk = BookInTime()
    desk.take(raising(0.0))
    (level,) = evidence()
    both = (level, replace(level, reason=Reason.SPIKE))
    assert desk.take(transition(TransitionKind.UPDATE, 6.0, contributions=both)) == ()


def test_severity_only_rises_while_open_and_a_short_peak_is_told():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.take(updating(1.0, severity=4))
    (event,) = desk.take(updating(6.0, severity=2))
    assert (event.kind, event.severity) == (AlertKind.UPDATED, 4)
    (event,) = desk.take(clearing(20.0))
    assert event.severity == 4


def test_raised_again_within_a_minute_keeps_the_id():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.take(clearing(20.0))
    (event,) = desk.take(raising(79.0))
    assert (event.kind, event.alert_id, event.seq, event.reopened) == (AlertKind.RAISED, "alert-1", 3, True)


def test_raised_again_later_is_a_new_alert():
    desk = BookInTime()
    desk.take(raising(0.0))
    desk.take(clearing(20.0))
    (event,) = desk.take(raising(81.0))
    assert (event.alert_id, event.seq, event.reopened) == ("alert-2", 1, False)


def test_one_open_alert_for_each_participant_and_family():
    desk = BookInTime()
    other = Participant("demo-1", "p-8")
    desk.take(raising(0.0))
    desk.take(raising(0.0, Family.PRESENTATION))
    desk.take(raising(0.0), other)
    desk.take(raising(1.0))
    assert [event.alert_id for event in desk.events] == ["alert-1", "alert-2", "alert-3"]
    assert desk.book.open_alerts(WHO) == ("alert-1", "alert-2")
    assert desk.book.open_alerts(other) == ("alert-3",)


def test_who_leaves_closes_their_alerts_and_says_that_evidence_did_not():
    desk = BookInTime()
    other = Participant("demo-1", "p-8")
    desk.take(raising(0.0))
    desk.take(raising(0.0), other)
    (event,) = desk.book.participant_left(WHO, 5.0, START)
    assert (event.kind, event.close_reason) == (AlertKind.CLEARED, CloseReason.PARTICIPANT_LEFT)
    assert event.alert_id == "alert-1"
    assert desk.book.open_alerts(WHO) == ()
    assert desk.book.open_alerts(other) == ("alert-2",)
    assert desk.book.participant_left(WHO, 6.0, START) == ()


def test_updates_and_clears_of_nothing_are_ignored():
    desk = BookInTime()
    desk.take(updating(1.0))
    desk.take(clearing(2.0))
    assert desk.events == []


def test_a_closed_alert_tells_its_strongest_evidence():
    desk = BookInTime()
    desk.take(raising(0.0))
    strongest = updating(6.0, probability=0.99)
    desk.take(strongest)
    desk.take(updating(12.0, probability=0.5))
    (event,) = desk.take(clearing(30.0))
    assert (event.transition, event.closed_at) == (strongest, START + timedelta(seconds=30))


def test_severity_goes_before_probability_where_the_strongest_is_sought():
    desk = BookInTime()
    desk.take(raising(0.0))
    severe = updating(6.0, probability=0.9, severity=4)
    desk.take(severe)
    desk.take(updating(12.0, probability=0.99, severity=2))
    (event,) = desk.leave(30.0)
    assert event.transition == severe


@given(
    st.lists(
        st.tuples(
            st.sampled_from(TransitionKind),
            st.floats(0.0, 90.0),
            st.integers(2, 5),
            st.floats(0.0, 1.0),
        ),
        max_size=40,
    )
)
def test_whatever_happens_each_alert_is_a_well_formed_life(
    steps: list[tuple[TransitionKind, float, int, float]],
):
    desk, now = BookInTime(), 0.0
    for kind, gap, severity, probability in steps:
        now += gap
        desk.take(transition(kind, now, severity=severity, probability=probability))
    for alert_id in {event.alert_id for event in desk.events}:
        life = [event for event in desk.events if event.alert_id == alert_id]
        assert [event.seq for event in life] == list(range(1, len(life) + 1))
        assert life[0].kind is AlertKind.RAISED
        assert all(a.severity <= b.severity for a, b in pairwise(life))
        for before, after in pairwise(life):
            assert (before.kind is AlertKind.CLEARED) == after.reopened


def test_uuid7_is_one_by_the_book():
    # RFC 9562 appendix A.6
    at = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    assert uuid7(at, 0xCC3 << 62 | 0x18C4DC0C0C07398F) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@given(st.integers(0, 2**74 - 1), st.integers(0, 10**9), st.integers(1, 10**6))
def test_uuid7_sorts_by_time_and_has_version_and_variant(entropy: int, second: int, later: int):
    at = datetime.fromtimestamp(second, UTC)
    early, late = uuid7(at, entropy), uuid7(at + timedelta(milliseconds=later), 0)
    assert early.version == 7
    assert early.variant == "specified in RFC 4122"
    assert str(early) < str(late)
