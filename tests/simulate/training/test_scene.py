import numpy as np
import pytest

from guard.simulate.training.scene import decoy, glare, hand, lit, quad_mask, room, shrunk
from tests.support.faces import drawn_face

pytestmark = pytest.mark.unit

SQUARE = np.array([[40, 40], [120, 40], [120, 120], [40, 120]], np.float32)
FACE = drawn_face((160, 160), (80, 80), 90, (200, 160, 140))


def test_a_quad_fills_its_inside() -> None:
    mask = quad_mask(SQUARE, (160, 160), 0.5)
    assert mask[45:115, 45:115].min() == 1
    assert mask[:35].max() == 0


def test_a_shrunk_quad_lies_inside() -> None:
    assert shrunk(SQUARE, 5).tolist() == [[45, 45], [115, 45], [115, 115], [45, 115]]


def test_rooms_differ_and_repeat_by_seed() -> None:
    first, again, other = (room((90, 160), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (90, 160, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_decoy_stays_behind_the_face() -> None:
    seen = [decoy(FACE, (80, 80), 90, np.random.default_rng(seed)) for seed in range(8)]
    assert all(np.array_equal(each[60:100, 60:100], FACE[60:100, 60:100]) for each in seen)
    assert any(not np.array_equal(each, FACE) for each in seen)


def test_light_glare_and_hand_keep_shape_and_change_something() -> None:
    rng = np.random.default_rng(4)
    for seen in (lit(FACE, 0.5, rng), glare(FACE, rng), hand(FACE, SQUARE, rng)):
        assert seen.shape == FACE.shape
        assert seen.dtype == np.uint8
        assert not np.array_equal(seen, FACE)
