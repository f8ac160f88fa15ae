import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.simulate.training import present
from guard.simulate.training.present import Attack
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

SIDE = 160
POINTS = drawn_points((80, 80), 76)
EACH = pytest.mark.parametrize("attack", list(present.ATTACKS.values()), ids=list(present.ATTACKS))
SEEDS = range(8)
BEHIND = drawn_face((SIDE, SIDE), (40, 60), 50, (90, 60, 40))


def face() -> np.ndarray:
    return drawn_face((SIDE, SIDE), (80, 80), 76, (200, 160, 140))


@EACH
@pytest.mark.parametrize("seed", SEEDS)
def test_the_instrument_covers_the_face(attack: Attack, seed: int) -> None:
    shot = attack(face(), POINTS, np.random.default_rng(seed), BEHIND)
    assert shot.picture.shape == (SIDE, SIDE, 3)
    assert shot.picture.dtype == np.uint8
    assert shot.mask.shape == (SIDE, SIDE)
    assert shot.mask.min() >= 0
    assert shot.mask.max() <= 1
    x, y = np.rint(shot.points.mean(axis=0)).astype(int)
    assert shot.mask[y - 10 : y + 10, x - 10 : x + 10].min() > 0.95
    assert not np.array_equal(shot.picture, face())


@EACH
def test_its_edge_is_sometimes_near_and_sometimes_far(attack: Attack) -> None:
    shares = [attack(face(), POINTS, np.random.default_rng(seed), None).mask.mean() for seed in range(24)]
    assert min(shares) < 0.75
    assert max(shares) > min(shares) + 0.1


@EACH
def test_the_same_seed_gives_the_same_bytes(attack: Attack) -> None:
    first, second = (attack(face(), POINTS, np.random.default_rng(3), BEHIND) for _ in range(2))
    assert np.array_equal(first.picture, second.picture)
    assert np.array_equal(first.points, second.points)


@EACH
def test_the_landmarks_go_where_the_face_goes(attack: Attack) -> None:
    dark = drawn_face((SIDE, SIDE), (80, 80), 76, (10, 10, 10))
    light = drawn_face((SIDE, SIDE), (80, 80), 76, (250, 250, 250))
    for seed in SEEDS:
        night, day = (attack(shown, POINTS, np.random.default_rng(seed), None) for shown in (dark, light))
        changed = np.abs(night.picture.astype(int) - day.picture.astype(int)).max(axis=2) > 25
        rows, columns = np.nonzero(changed)
        middle = (night.points.min(axis=0) + night.points.max(axis=0)) / 2
        assert abs(np.median(columns) - middle[0]) < 16
        assert abs(np.median(rows) - middle[1]) < 16
        assert 0.75 < np.ptp(night.points, axis=0).max() / 76 < 1.35


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bona_fide_picture_of_the_same_seed_is_the_same_and_keeps_its_place(seed: int) -> None:
    first, second = (present.bona_fide(face(), POINTS, np.random.default_rng(seed), BEHIND) for _ in range(2))
    assert first.picture.shape == (SIDE, SIDE, 3)
    assert first.picture.dtype == np.uint8
    assert first.mask.max() == 0
    assert np.array_equal(first.picture, second.picture)
    assert np.abs(first.points.mean(axis=0) - POINTS.mean(axis=0)).max() < 12


@pytest.mark.parametrize("make", [present.bona_fide, *present.ATTACKS.values()])
def test_what_is_no_picture_or_no_face_is_refused(make: Attack) -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ShapeError):
        make(face()[:, :, 0], POINTS, rng, None)
    with pytest.raises(ShapeError):
        make(face(), np.full((3, 2), np.nan), rng, None)
