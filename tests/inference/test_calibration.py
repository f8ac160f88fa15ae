"""From the logit to a probability, and from the quality of a face to the weight of its score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.types import Quality, Reason
from guard.inference.calibration import CalibrationSection, Curve, WeightSection

pytestmark = pytest.mark.unit

SIZE = Curve(at=(40.0, 80.0), weight=(0.0, 1.0))
BY_SIZE = CalibrationSection(slope=2.0, bias=0.5, weight=WeightSection(size_px=SIZE))
BY_ALL = BY_SIZE.model_copy(
    update={
        "weight": WeightSection(
            size_px=SIZE,
            sharpness=Curve(at=(10.0, 20.0), weight=(0.5, 1.0)),
            luma=Curve(at=(50.0, 90.0), weight=(0.02, 1.0), count=(7, 9)),
        )
    }
)


def seen(size_px: float = 200.0, sharpness: float = 100.0, luma: float = 120.0) -> Quality:
    return Quality(size_px, sharpness, luma, 0.0, 0.0)


def test_probability_is_platt_scaling() -> None:
    assert BY_SIZE.probability(-0.25) == pytest.approx(0.5)
    assert BY_SIZE.probability(1.0) == pytest.approx(1 / (1 + np.exp(-2.5)))


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_probability_stays_in_range(logit: float) -> None:
    assert 0.0 <= BY_SIZE.probability(logit) <= 1.0


@pytest.mark.parametrize(
    ("size", "weight"), [(0.0, 0.0), (40.0, 0.0), (60.0, 0.5), (80.0, 1.0), (500.0, 1.0)]
)
def test_weight_is_linear_between_knots_and_constant_beyond(size: float, weight: float) -> None:
    assert BY_SIZE.trust(seen(size))[0] == pytest.approx(weight)


def test_the_weight_is_the_product_of_all_curves() -> None:
    assert BY_ALL.trust(seen(60.0, 10.0, 120.0))[0] == pytest.approx(0.25)
    assert BY_ALL.trust(seen(60.0, 15.0, 120.0))[0] == pytest.approx(0.375)


@pytest.mark.parametrize(
    ("quality", "told"),
    [
        (seen(size_px=30.0), Reason.TOO_SMALL),
        (seen(size_px=60.0, sharpness=10.5), Reason.TOO_SMALL),
        (seen(sharpness=10.0), Reason.BLURRED),
        (seen(luma=40.0), Reason.TOO_DARK),
    ],
)
def test_the_reason_is_what_takes_most(quality: Quality, told: Reason) -> None:
    assert BY_ALL.trust(quality)[1] is told


def test_a_score_that_would_weigh_next_to_nothing_weighs_nothing() -> None:
    assert BY_SIZE.trust(seen(41.9))[0] == 0.0
    assert BY_SIZE.trust(seen(42.1))[0] == pytest.approx(0.0525)


@given(st.floats(0, 2000), st.floats(0, 5000), st.floats(0, 255))
def test_weight_stays_in_range(size: float, sharpness: float, luma: float) -> None:
    assert 0.0 <= BY_ALL.trust(seen(size, sharpness, luma))[0] <= 1.0
