import numpy as np
import pytest

from guard.simulate.training.persons import head_mask
from guard.simulate.training.scene import decoy, glare, hand, lit, place, room, waving
from guard.simulate.training.surfaces import Rect, laid
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

SQUARE = Rect(30, 30, 130, 130)
FACE = drawn_face((160, 160), (80, 80), 90, (200, 160, 140))
SURFACE = laid(np.eye(3), (80, 80), 90, (160, 160))


def test_rooms_differ_and_repeat_by_seed() -> None:
    first, again, other = (room((90, 160), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (90, 160, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_place_is_made_of_what_stands_behind() -> None:
    red = np.full((60, 60, 3), (250, 0, 0), np.uint8)
    seen = [place((90, 160), red, np.random.default_rng(seed)) for seed in range(12)]
    assert all(each.shape == (90, 160, 3) for each in seen)
    shown = sum(bool(np.array_equal(each[0, 0], red[0, 0])) for each in seen)
    assert 4 <= shown < 12


def test_a_decoy_stays_behind_the_person() -> None:
    person = head_mask(drawn_points((80, 80), 90), (160, 160))
    seen = [decoy(FACE, person, (80, 80), 90, np.random.default_rng(seed)) for seed in range(8)]
    assert all(np.array_equal(each[60:100, 60:100], FACE[60:100, 60:100]) for each in seen)
    assert any(not np.array_equal(each, FACE) for each in seen)


def test_fingers_lie_over_the_edge_and_not_over_the_face() -> None:
    changed = np.zeros((160, 160), bool)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        changed |= (hand(FACE, SURFACE, SQUARE, rng) != FACE).any(axis=2)
    assert changed[30, 35:125].any()
    assert not changed[72:88, 72:88].any()


def test_light_glare_and_a_waving_hand_keep_shape_and_change_something() -> None:
    rng = np.random.default_rng(4)
    for seen in (lit(FACE, 0.5, rng), glare(FACE, rng), waving(FACE, (80, 80), 90, rng)):
        assert seen.shape == FACE.shape
        assert seen.dtype == np.uint8
        assert not np.array_equal(seen, FACE)
