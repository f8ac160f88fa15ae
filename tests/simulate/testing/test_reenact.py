"""A photo moves as its driver does, and only then."""

from itertools import islice

import numpy as np
import pytest

from guard.simulate.testing.material import Still
from guard.simulate.testing.reenact import Reenactment
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

SIZE = (160, 120)
PHOTO = Still(drawn_face(SIZE, (80, 60), 70, (210, 160, 130)), drawn_points((80, 60), 70))
STILL = drawn_points((50, 50), 35)


def driven(moved: np.ndarray) -> np.ndarray:
    """The photo where the driver, elsewhere and half as large, is as in ``moved``."""
    made = Reenactment(PHOTO, [STILL, moved.astype(np.float32), STILL], SIZE, 1)
    frames = [next(made) for _ in range(4)]
    return max(frames, key=lambda one: float(np.abs(one - made._photo.astype(int)).sum()))


def test_a_driver_at_rest_leaves_the_photo_alone() -> None:
    made = Reenactment(PHOTO, [STILL, STILL], SIZE, 1)
    for frame in islice(made, 3):
        assert np.abs(frame.astype(int) - made._photo).mean() < 0.5


def test_the_head_follows_and_the_border_stays() -> None:
    rest, moved = driven(STILL).astype(int), driven(STILL + np.array([3.0, 0.0])).astype(int)
    face = np.s_[40:100, 40:120]
    shifted = np.roll(rest, 6, axis=1)  # twice as far: the face is twice as large
    assert np.abs(moved[face] - shifted[face]).mean() < 0.5 * np.abs(moved[face] - rest[face]).mean()
    assert np.abs(moved[[0, -1]] - rest[[0, -1]]).mean() < 3


def test_lips_that_part_show_the_mouth() -> None:
    rest, spoken = driven(STILL).astype(int), driven(drawn_points((50, 50), 35, mouth=0.25)).astype(int)
    mouth = np.s_[70:84, 74:87]
    assert (spoken - rest)[mouth].min() < -60
