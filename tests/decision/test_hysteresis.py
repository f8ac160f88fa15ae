import pytest

from guard.config.settings import DecisionSettings
from guard.core.types import TransitionKind
from guard.decision.hysteresis import Hysteresis

pytestmark = pytest.mark.unit

STEP = 0.125


def run(
    alert: Hysteresis, probability: float, seconds: float, *, judged: bool = True, covered: bool = True
) -> float | None:
    """Feed a level; return after how many seconds it raised or cleared."""
    for step in range(1, round(seconds / STEP) + 1):
        kind = alert.step(probability, STEP, judged=judged, covered=covered)
        if kind in {TransitionKind.RAISE, TransitionKind.CLEAR}:
            return step * STEP
    return None


def raised() -> Hysteresis:
    alert = Hysteresis(DecisionSettings())
    assert run(alert, 0.9, 3.0) is not None
    return alert


def test_raises_after_the_hold():
    assert run(Hysteresis(DecisionSettings()), 0.9, 5.0) == pytest.approx(2.0 + STEP)


def test_a_dip_begins_the_hold_anew():
    alert = Hysteresis(DecisionSettings())
    assert run(alert, 0.9, 1.9) is None
    assert run(alert, 0.84, STEP) is None
    assert run(alert, 0.9, 1.9) is None


def test_does_not_raise_without_coverage_and_does_once_it_is_there():
    alert = Hysteresis(DecisionSettings())
    assert run(alert, 0.99, 20.0, covered=False) is None
    assert run(alert, 0.99, 1.0) == STEP


def test_clears_after_the_hold_below():
    assert run(raised(), 0.3, 20.0) == pytest.approx(10.0)


def test_between_the_thresholds_it_neither_clears_nor_forgets():
    assert run(raised(), 0.6, 100.0) is None


def test_a_rise_while_clearing_begins_the_hold_anew():
    alert = raised()
    assert run(alert, 0.3, 9.5) is None
    assert run(alert, 0.55, STEP) is None
    assert run(alert, 0.3, 9.5) is None


def test_time_that_was_not_judged_never_clears():
    assert run(raised(), 0.1, 1000.0, judged=False) is None


def test_unjudged_time_stops_the_count_and_keeps_it():
    alert = raised()
    assert run(alert, 0.3, 6.0) is None
    assert run(alert, 0.1, 60.0, judged=False) is None
    assert run(alert, 0.3, 6.0) == pytest.approx(4.0)


def test_it_can_raise_again_after_clearing():
    alert = raised()
    run(alert, 0.1, 20.0)
    assert run(alert, 0.9, 5.0) == pytest.approx(2.0 + STEP)
