"""Stamps: time by stage, percentiles over the newest frames."""

import threading

import pytest

from guard.telemetry.stamps import TOTAL, Percentiles, Stage, StageTimes, Stamps

pytestmark = pytest.mark.unit


def journey(*times: float) -> Stamps:
    """Stamps with the first stages at these times."""
    stamps = Stamps(times[0])
    for stage, at in zip(list(Stage)[1:], times[1:], strict=False):
        stamps.mark(stage, at)
    return stamps


def test_each_stage_takes_the_time_since_the_one_before():
    durations = journey(10.0, 10.5, 10.75, 11.0).durations()
    assert durations == {"decoded": 0.5, "tracked": 0.25, "scored": 0.25, "total": 1.0}


def test_stage_left_out_goes_to_the_next_one():
    stamps = Stamps(arrived_at=1.0, decoded_at=2.0)
    stamps.mark(Stage.PUBLISHED, 5.0)
    assert stamps.durations() == {"decoded": 1.0, "published": 3.0, "total": 4.0}
    assert stamps.since_arrival(Stage.PUBLISHED) == 4.0
    assert stamps.since_arrival(Stage.SCORED) is None


def test_order_of_marking_does_not_matter():
    stamps = Stamps(0.0)
    stamps.mark(Stage.SCORED, 3.0)
    stamps.mark(Stage.DECODED, 1.0)
    assert stamps.durations() == {"decoded": 1.0, "scored": 2.0, "total": 3.0}


def test_frame_that_only_arrived_took_no_time():
    assert Stamps(5.0).durations() == {TOTAL: 0.0}


def test_summary_gives_milliseconds_in_the_order_of_the_stages():
    times = StageTimes()
    for millisecond in range(1, 101):
        times.add(journey(0.0, millisecond / 1000))
    summary = times.summary()
    assert list(summary) == ["decoded", "total"]
    assert summary["decoded"].p50 == pytest.approx(51)
    assert summary["decoded"].p95 == pytest.approx(96)
    assert summary["decoded"].count == 100


def test_only_the_newest_frames_are_kept():
    times = StageTimes(capacity=10)
    for second in [*[100] * 50, *[1] * 10]:
        times.add(journey(0.0, second))
    assert times.summary()["decoded"] == Percentiles(1000.0, 1000.0, 10)


def test_nothing_seen_is_an_empty_summary():
    assert StageTimes().summary() == {}


def test_threads_lose_no_frame():
    times = StageTimes(capacity=4000)

    def add_many() -> None:
        for _ in range(1000):
            times.add(journey(0.0, 1.0))

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert times.summary()["decoded"].count == 4000
