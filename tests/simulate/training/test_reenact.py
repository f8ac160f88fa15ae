import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.simulate.training import reenact
from guard.simulate.training.reenact import reenacted
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

SIDE = 160
POINTS = drawn_points((80, 80), 100)
SEEDS = range(12)


def face() -> Picture:
    return drawn_face((SIDE, SIDE), (80, 80), 100, (200, 160, 140))


def moved(seed: int) -> Picture:
    """How far each pixel's brightest channel went."""
    bent = reenacted(face(), POINTS, np.random.default_rng(seed))
    return np.asarray(np.abs(bent.astype(int) - face()).max(axis=2), np.uint8)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_face_is_bent_and_what_lies_far_from_it_is_not(seed: int) -> None:
    picture = face()
    bent = reenacted(picture, POINTS, np.random.default_rng(seed))
    assert bent.shape == picture.shape
    assert bent.dtype == np.uint8
    assert moved(seed)[40:135, 40:120].max() > 20
    assert moved(seed)[:8].max() < 8
    assert np.array_equal(picture, face()), "the picture handed in is left alone"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mouth_moves_by_itself(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reenact, "_TURN", 0.0)
    assert moved(seed)[95:115, 60:100].max() > 20


def test_expressions_differ_by_seed_and_are_the_same_for_one() -> None:
    first, again, other = (reenacted(face(), POINTS, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_landmarks_of_another_kind_are_refused() -> None:
    with pytest.raises(ShapeError, match="face mesh"):
        reenacted(face(), POINTS[:68], np.random.default_rng(1))
