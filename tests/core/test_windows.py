"""TimedWindow forgets by age and by number; Pace counts what is recent; held_maximum finds what lasted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.windows import Pace, Sampling, TimedWindow, held_maximum

pytestmark = pytest.mark.unit


def test_samples_older_than_the_span_are_forgotten():
    window: TimedWindow[str] = TimedWindow(span=2.0)
    for at, value in [(0.0, "a"), (1.0, "b"), (2.0, "c"), (3.5, "d")]:
        window.add(at, value)
    assert list(window) == [(2.0, "c"), (3.5, "d")]
    assert window.values() == ["c", "d"]
    assert window.duration == 1.5


def test_sample_exactly_as_old_as_the_span_is_kept():
    window: TimedWindow[int] = TimedWindow(span=2.0)
    window.add(0.0, 1)
    window.add(2.0, 2)
    assert len(window) == 2


def test_number_of_samples_is_bounded():
    window: TimedWindow[int] = TimedWindow(span=1e9, capacity=3)
    for at in range(10):
        window.add(float(at), at)
    assert window.values() == [7, 8, 9]


def test_pace_is_that_of_the_last_seconds_only():
    pace = Pace(span=2.0)
    assert pace.rate(0.0) == 0.0
    for number in range(100):
        pace.add(number / 10)
    assert pace.rate(9.9) == pytest.approx(10.0)
    for number in range(40):
        pace.add(10.0 + number / 20)
    assert pace.rate(11.95) == pytest.approx(20.0)
    assert pace.rate(20.0) == 0.0


def test_once_is_no_pace():
    pace = Pace()
    pace.add(1.0)
    assert pace.rate(1.0) == 0.0


def test_cleared_window_is_empty_and_lasts_no_time():
    window: TimedWindow[int] = TimedWindow(span=1.0)
    window.add(0.0, 1)
    window.clear()
    assert len(window) == 0
    assert window.duration == 0.0


def test_value_that_did_not_last_does_not_count():
    samples = [(0.0, 0.1), (1.0, 0.9), (2.0, 0.2), (3.0, 0.8), (4.0, 0.7), (5.0, 0.8)]
    assert held_maximum(samples, span=2.0) == 0.7


@pytest.mark.parametrize("samples", [[], [(0.0, 1.0)], [(0.0, 1.0), (1.9, 1.0)]])
def test_samples_shorter_than_the_span_hold_nothing(samples: list[tuple[float, float]]):
    assert held_maximum(samples, span=2.0) is None


@given(st.dictionaries(st.integers(0, 12), st.integers(0, 5)), st.integers(1, 5))
def test_held_maximum_agrees_with_trying_every_stretch(points: dict[int, int], span: int):
    samples = [(float(at), float(value)) for at, value in sorted(points.items())]
    stretches = [
        samples[first : last + 1]
        for first in range(len(samples))
        for last in range(first, len(samples))
        if samples[last][0] - samples[first][0] >= span
    ]
    expected = max((min(value for _, value in stretch) for stretch in stretches), default=None)
    assert held_maximum(samples, float(span)) == expected


def test_sampling_keeps_to_its_grid_and_begins_a_new_one_after_a_pause():
    sampling = Sampling(8.0)
    due = [at for at in (number / 30 for number in range(30)) if sampling.due(at)]
    assert len(due) == 8
    assert sampling.due(10.01)
    assert not sampling.due(10.05)
    assert sampling.due(10.13)
