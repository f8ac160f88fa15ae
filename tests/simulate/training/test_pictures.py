import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.simulate.training import pictures

pytestmark = pytest.mark.unit

GREY = np.full((40, 60, 3), 100, np.uint8)


def test_mixing_takes_each_pixel_from_its_side() -> None:
    mask = np.zeros((40, 60), np.float32)
    mask[:, 30:] = 1
    mixed = pictures.mix(GREY, np.full_like(GREY, 200), mask)
    assert np.unique(mixed[:, :30]).tolist() == [100]
    assert np.unique(mixed[:, 30:]).tolist() == [200]


def test_bytes_are_rounded_and_clipped() -> None:
    assert pictures.to_bytes(np.array([-3.0, 1.6, 300.0])).tolist() == [0, 2, 255]


def test_a_tiny_blur_changes_nothing() -> None:
    assert pictures.blur(GREY, 0.1) is GREY


def test_gamma_over_one_darkens() -> None:
    assert pictures.gamma(GREY, 2.0).mean() < 50


def test_recolouring_by_nothing_changes_nothing() -> None:
    same = pictures.recolour(GREY, 0.0, np.random.default_rng(0))
    assert np.abs(same.astype(int) - 100).max() <= 1


@pytest.mark.parametrize(
    "points",
    [np.zeros((478,), np.float32), np.zeros((2, 2), np.float32), np.full((5, 2), np.inf, np.float32)],
)
def test_points_that_are_no_landmarks_are_refused(points: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="landmarks"):
        pictures.check_points(points)
