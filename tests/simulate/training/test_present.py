from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.core.types import Picture
from guard.simulate.training import present
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

Attack: TypeAlias = Callable[
    [Picture, NDArray[np.float32], np.random.Generator], tuple[Picture, NDArray[np.float32]]
]

SIDE = 160
POINTS = drawn_points((80, 80), 90)
ATTACKS = pytest.mark.parametrize("attack", [present.photo, present.screen])
SEEDS = range(8)


def face() -> Picture:
    return drawn_face((SIDE, SIDE), (80, 80), 90, (200, 160, 140))


@ATTACKS
@pytest.mark.parametrize("seed", SEEDS)
def test_the_instrument_covers_the_face(attack: Attack, seed: int) -> None:
    picture, mask = attack(face(), POINTS, np.random.default_rng(seed))
    assert picture.shape == (SIDE, SIDE, 3)
    assert picture.dtype == np.uint8
    assert mask.shape == (SIDE, SIDE)
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert mask[70:90, 70:90].min() > 0.95
    assert not np.array_equal(picture, face())


@ATTACKS
def test_the_edge_of_the_instrument_is_sometimes_seen_and_sometimes_not(attack: Attack) -> None:
    corners = [
        attack(face(), POINTS, np.random.default_rng(seed))[1][::159, ::159].min() for seed in range(24)
    ]
    assert min(corners) < 0.1
    whole = [attack(face(), POINTS, np.random.default_rng(seed))[1].mean() for seed in range(24)]
    assert max(whole) > 0.9


@ATTACKS
def test_the_same_seed_gives_the_same_bytes(attack: Attack) -> None:
    first, second = (attack(face(), POINTS, np.random.default_rng(3))[0] for _ in range(2))
    assert np.array_equal(first, second)


@ATTACKS
def test_the_face_stays_where_it_was(attack: Attack) -> None:
    dark = drawn_face((SIDE, SIDE), (80, 80), 90, (10, 10, 10))
    light = drawn_face((SIDE, SIDE), (80, 80), 90, (250, 250, 250))
    for seed in SEEDS:
        night, day = (attack(shown, POINTS, np.random.default_rng(seed))[0] for shown in (dark, light))
        changed = np.abs(night.astype(int) - day.astype(int)).max(axis=2) > 30
        rows, columns = np.nonzero(changed)
        assert abs(np.median(rows) - 80) < 16
        assert abs(np.median(columns) - 80) < 16


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bona_fide_picture_stays_the_same_person(seed: int) -> None:
    picture = present.bona_fide(face(), POINTS, np.random.default_rng(seed))
    assert picture.shape == (SIDE, SIDE, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, present.bona_fide(face(), POINTS, np.random.default_rng(seed)))
