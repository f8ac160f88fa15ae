import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.simulate.training.reenact import reenacted
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

SIDE = 160
POINTS = drawn_points((80, 80), 100)
SEEDS = range(12)


def face() -> Picture:
    return drawn_face((SIDE, SIDE), (80, 80), 100, (200, 160, 140))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_face_is_bent_within_its_mask_and_nowhere_else(seed: int) -> None:
    picture = face()
    bent, mask = reenacted(picture, POINTS, np.random.default_rng(seed))
    changed = np.abs(bent.astype(int) - picture).max(axis=2)
    assert bent.shape == picture.shape
    assert bent.dtype == np.uint8
    assert mask.dtype == np.float32
    assert changed[mask > 0.5].max() > 20
    assert changed[mask < 0.05].max() < 12, "a twentieth of the least that counts moves no edge by much"
    assert np.array_equal(picture, face()), "the picture handed in is left alone"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_corners_of_the_picture_stay(seed: int) -> None:
    _, mask = reenacted(face(), POINTS, np.random.default_rng(seed))
    assert mask[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 0.05
    assert 0.05 < mask.mean() < 0.6


def test_expressions_differ_by_seed_and_are_the_same_for_one() -> None:
    first, again, other = (reenacted(face(), POINTS, np.random.default_rng(seed))[0] for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_landmarks_of_another_kind_are_refused() -> None:
    with pytest.raises(ShapeError, match="face mesh"):
        reenacted(face(), POINTS[:68], np.random.default_rng(1))
