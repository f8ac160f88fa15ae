import pytest

from guard.media.rtp.rewrite import Rewrite

pytestmark = pytest.mark.unit

RATE = 90_000


def test_gaps_stay_gaps():
    rewrite = Rewrite(100, RATE)
    rewrite.begin(5000, 1, 0.0)
    placed = [rewrite.place(number, 1, 0.0)[0] for number in (5000, 5001, 5004, 5002)]
    assert placed == [100, 101, 104, 102]


def test_our_numbers_wrap_and_lead_back():
    rewrite = Rewrite(65530, RATE)
    rewrite.begin(70_000, 1, 0.0)
    for number in range(70_000, 70_010):
        place, _ = rewrite.place(number, 1, 0.0)
        assert place == (65530 + number - 70_000) & 0xFFFF
        assert rewrite.original(place) == number
    assert rewrite.original(65530) == 70_000


def test_timestamps_stay_until_the_stream_begins_anew():
    rewrite = Rewrite(1, RATE)
    rewrite.begin(10, 0xFFFFFF00, 0.0)
    assert rewrite.place(10, 0xFFFFFF00, 0.0)[1] == 0xFFFFFF00


def test_a_stream_that_begins_anew_follows_on_what_was_sent():
    rewrite = Rewrite(100, RATE)
    rewrite.begin(10, 0xFFFFFFF0, 0.0)
    rewrite.place(10, 0xFFFFFFF0, 0.0)
    rewrite.place(11, 0xFFFFFFF0, 0.0)
    rewrite.begin(40_000, 5, 2.0)
    place, timestamp = rewrite.place(40_000, 5, 2.0)
    assert place == 102
    assert timestamp == (0xFFFFFFF0 + 2 * RATE) & 0xFFFFFFFF
    assert rewrite.place(40_001, 5 + 3000, 2.03)[1] == timestamp + 3000
