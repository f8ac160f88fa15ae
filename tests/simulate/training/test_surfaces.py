import numpy as np
import pytest

from guard.simulate.training.surfaces import FLAT, Bend, Rect, hold, laid
from tests.support.faces import drawn_points

pytestmark = pytest.mark.unit

SHAPE = (160, 160)
POINTS = drawn_points((80, 80), 90)
EDGE = Rect(30, 30, 130, 130)


def top_edge(bend: Bend) -> np.ndarray:
    """The first row of each column inside the edge."""
    mask = laid(np.eye(3), (80, 80), 60, SHAPE, bend).share_inside(EDGE)
    return np.asarray(np.argmax(mask[:, 40:121] > 0.5, axis=0))


def test_an_untouched_surface_shows_its_picture() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
    surface = laid(np.eye(3), (80, 80), 60, SHAPE)
    assert surface.bend == FLAT
    assert np.array_equal(surface.seen(picture), picture)
    assert surface.moved(POINTS) == pytest.approx(POINTS, abs=1e-3)


def test_a_flat_edge_is_straight_and_a_bent_one_curved() -> None:
    assert np.ptp(top_edge(FLAT)) == 0
    curved = top_edge(Bend(angle=np.pi / 2, fold=0.05, depth=0.14))
    middle, ends = curved[40], (curved[0] + curved[-1]) / 2
    assert abs(middle - ends) >= 3
    assert curved[20] == pytest.approx(curved[60], abs=1)


@pytest.mark.parametrize("seed", range(12))
def test_points_move_as_the_picture_does(seed: int) -> None:
    surface = hold(POINTS, SHAPE, np.random.default_rng(seed), paper=seed > 2)
    for x, y in surface.moved(POINTS[:40]):
        column, row = round(float(x)), round(float(y))
        seen = surface.u[row, column], surface.v[row, column]
        nearest = np.hypot(*(POINTS[:40] - seen).T).min()
        assert nearest < 1.5


def test_round_corners_are_cut_off_and_shrink_with_the_rectangle() -> None:
    surface = laid(np.eye(3), (80, 80), 60, SHAPE)
    sharp, rounded = (surface.share_inside(EDGE._replace(radius=radius)) for radius in (0, 20))
    assert sharp[32, 32] == 1
    assert rounded[32, 32] == 0
    assert rounded[80, 32] == 1
    assert surface.distance_inside(EDGE)[80, 80] == pytest.approx(50)
    assert EDGE._replace(radius=20).shrunk(5) == Rect(35, 35, 125, 125, 15)


def test_the_same_seed_holds_it_the_same_way() -> None:
    first, second = (hold(POINTS, SHAPE, np.random.default_rng(3), paper=True) for _ in range(2))
    assert np.array_equal(first.u, second.u)
    assert first.bend == second.bend
