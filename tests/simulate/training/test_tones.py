import numpy as np
import pytest

from guard.simulate.training.tones import defocused, toned

pytestmark = pytest.mark.unit

NOISE = np.random.default_rng(1).integers(0, 256, (120, 90, 3)).astype(np.uint8)
ONES = np.ones(3)


def test_neutral_tones_change_nothing() -> None:
    assert np.array_equal(toned(NOISE, 1.0, 1.0, ONES, 0.0), NOISE)


def test_no_colour_is_grey_of_the_same_light() -> None:
    grey = toned(NOISE, 1.0, 0.0, ONES, 0.0)
    assert np.ptp(grey, axis=2).max() <= 1
    assert grey.mean() == pytest.approx(NOISE.mean(), abs=1)


def test_black_curve_and_gain_do_what_they_say() -> None:
    black, middle = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 128, np.uint8)
    assert (toned(black, 1.0, 1.0, np.array([1.0, 0.5, 2.0]), 20.0)[0, 0] == (20, 10, 40)).all()
    assert toned(middle, 2.0, 1.0, ONES, 0.0).mean() < 70


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.5, 9.0])
def test_defocus_keeps_size_and_light_and_softens_more_with_sigma(sigma: float) -> None:
    soft = defocused(NOISE, sigma)
    assert soft.shape == NOISE.shape
    assert soft.mean() == pytest.approx(NOISE.mean(), abs=2)
    if sigma:
        assert soft.std() < defocused(NOISE, sigma / 2).std()
