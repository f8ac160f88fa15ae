import pytest

from guard.media.assembler import REPAIR_PACKETS
from guard.media.rtp.reception import (
    MAX_MISSING,
    MAX_TRIES,
    REORDER_GRACE,
    RETRY_INTERVAL,
    Missing,
    Reception,
)

pytestmark = pytest.mark.unit

RATE = 90_000


def test_nothing_is_reported_before_the_first_packet():
    assert Reception(RATE).report() is None


def test_losses_are_counted_over_a_wrap():
    reception = Reception(RATE)
    for number in (65533, 65534, 1, 2):
        reception.heard(number, 0, 0.0)
    report = reception.report()
    assert report is not None
    assert (report.packets_lost, report.highest_sequence) == (2, 65536 + 2)
    assert report.fraction_lost == 2 * 256 // 6


def test_the_fraction_is_of_the_time_since_the_last_report():
    reception = Reception(RATE)
    for number in (1, 2, 4):
        reception.heard(number, 0, 0.0)
    assert reception.report().fraction_lost == 64  # type: ignore[union-attr]  # there is one
    for number in (5, 6, 7):
        reception.heard(number, 0, 0.0)
    assert reception.report().fraction_lost == 0  # type: ignore[union-attr]  # there is one


def test_a_packet_sent_again_mends_no_count():
    reception = Reception(RATE)
    for number in (1, 3):
        reception.heard(number, 0, 0.0)
    assert reception.heard(2, 0, 0.0, again=True) == 2
    assert reception.lost == 1


def test_what_came_in_any_way_is_not_missed():
    reception = Reception(RATE)
    for number in (65534, 65535, 3):
        reception.heard(number, 0, 0.0)
    for number in (0, 0, 65535, 65533):
        reception.heard(number, 0, 0.0, again=True)
    reception.heard(0, 0, 0.0)
    assert reception.missed == 2


def test_only_the_last_packets_may_be_sent_again():
    reception = Reception(RATE)
    assert not reception.remembers(0)
    reception.heard(5, 0, 0.0)
    assert reception.remembers(5)
    assert reception.remembers((5 - REPAIR_PACKETS + 1) & 0xFFFF)
    assert not reception.remembers((5 - REPAIR_PACKETS) & 0xFFFF)
    assert not reception.remembers(6)


def test_an_even_stream_has_no_jitter_and_an_uneven_one_has():
    even, uneven = Reception(RATE), Reception(RATE)
    for number in range(60):
        even.heard(number, number * 3000, number / 30)
        uneven.heard(number, number * 3000, number / 30 + (number % 2) * 0.01)
    assert even.report().jitter == 0  # type: ignore[union-attr]  # there is one
    assert 800 < uneven.report().jitter <= 900  # type: ignore[union-attr]  # 10 ms are 900 ticks


def test_the_jitter_survives_a_wrap_of_the_timestamp():
    reception = Reception(RATE)
    for number in range(60):
        reception.heard(number, (0xFFFFFFFF - 30 * 3000 + number * 3000) & 0xFFFFFFFF, number / 30)
    assert reception.report().jitter == 0  # type: ignore[union-attr]  # there is one


def test_a_packet_that_is_only_late_is_not_asked_for():
    missing = Missing()
    assert not missing.heard(1, 0.0)
    assert missing.heard(3, 0.0)
    assert missing.due(REORDER_GRACE / 2) == []
    missing.heard(2, REORDER_GRACE / 2)
    assert missing.next_due() is None


def test_what_came_is_not_asked_for_whatever_its_number():
    missing = Missing()
    for number in (0, -1, 1):
        missing.heard(number, 0.0)
    assert missing.next_due() is None


def test_a_packet_is_asked_for_three_times_then_given_up():
    missing, now, asked = Missing(), 0.0, 0
    missing.heard(65535, now)
    missing.heard(65538, now)
    while (due := missing.next_due()) is not None:
        now = due
        asked += missing.due(now) == [0, 1]
    assert asked == MAX_TRIES
    assert now == pytest.approx(REORDER_GRACE + MAX_TRIES * RETRY_INTERVAL)


def test_a_break_is_not_asked_for():
    missing = Missing()
    missing.heard(1, 0.0)
    assert missing.heard(10, 0.0)
    assert not missing.heard(11 + MAX_MISSING + 1, 0.0)
    assert missing.next_due() is None


def test_what_is_missing_is_bounded():
    missing = Missing()
    for number in range(0, 10_000, 2):
        missing.heard(number, 0.0)
        assert len(missing._asks) <= 2 * MAX_MISSING
