import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.types import Reason
from guard.decision.coverage import Coverage

pytestmark = pytest.mark.unit


def feed(coverage: Coverage, start: float, end: float, fps: float, *, judged: bool, reason: Reason) -> None:
    for step in range(1, round((end - start) * fps) + 1):
        coverage.add(start + step / fps, judged=judged, reasons=() if judged else (reason,))


def test_coverage_counts_time_and_not_frames():
    coverage = Coverage(5.0)
    coverage.add(0.0, judged=True)
    feed(coverage, 0.0, 2.5, 30.0, judged=False, reason=Reason.NO_FACE)
    feed(coverage, 2.5, 5.0, 2.0, judged=True, reason=Reason.NO_FACE)
    assert coverage.share(5.0) == pytest.approx(0.5)


def test_time_before_the_first_frame_is_not_judged():
    coverage = Coverage(5.0)
    coverage.add(0.0, judged=True)
    feed(coverage, 0.0, 2.0, 8.0, judged=True, reason=Reason.NO_FACE)
    assert coverage.share(2.0) == pytest.approx(0.4)


def test_a_frame_speaks_for_at_most_a_second():
    coverage = Coverage(5.0)
    coverage.add(0.0, judged=True)
    assert coverage.add(4.0, judged=True) == 1.0
    assert coverage.share(4.0) == pytest.approx(0.2)


def test_coverage_fades_while_no_frame_comes():
    coverage = Coverage(5.0)
    coverage.add(0.0, judged=True)
    feed(coverage, 0.0, 5.0, 8.0, judged=True, reason=Reason.NO_FACE)
    assert coverage.share(5.0) == pytest.approx(1.0)
    assert coverage.share(7.5) == pytest.approx(0.5)
    assert coverage.share(10.1) == 0.0


def test_the_reason_that_took_most_time_comes_first():
    coverage = Coverage(5.0)
    coverage.add(0.0, judged=True)
    feed(coverage, 0.0, 1.0, 30.0, judged=False, reason=Reason.BLURRED)
    feed(coverage, 1.0, 4.0, 2.0, judged=False, reason=Reason.TOO_DARK)
    assert coverage.reasons(4.0) == (Reason.TOO_DARK, Reason.BLURRED)


def test_reasons_are_forgotten_with_their_window():
    coverage = Coverage(5.0)
    feed(coverage, 0.0, 1.0, 8.0, judged=False, reason=Reason.TOO_DARK)
    feed(coverage, 1.0, 8.0, 8.0, judged=True, reason=Reason.TOO_DARK)
    assert coverage.reasons(8.0) == ()


def test_the_first_frame_tells_its_reason_though_it_has_no_length():
    coverage = Coverage(5.0)
    coverage.add(3.0, judged=False, reasons=(Reason.NO_FACE,))
    assert coverage.reasons(3.0) == (Reason.NO_FACE,)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60))
def test_the_share_stays_between_none_and_all(frames: list[tuple[float, bool]]):
    coverage, now = Coverage(5.0), 0.0
    for gap, judged in frames:
        now += gap
        coverage.add(now, judged=judged)
        assert 0.0 <= coverage.share(now) <= 1.0
