"""Fingers that hold something: shaded, with a shadow, where they are said to be."""

import numpy as np
import pytest

from guard.core.types import Picture
from guard.simulate.testing.fingers import Finger, Grip

pytestmark = pytest.mark.unit

HEIGHT = 200
PAPER = 230
FINGER = Finger((0.3, 0.5), (0.7, 0.5), 0.15)
LONG = Finger((0.0, 0.5), (0.9, 0.5), 0.1)


def held(finger: Finger = FINGER, seed: int = 1, moved: tuple[float, float] = (0, 0)) -> Picture:
    """White paper of 200 px with one finger."""
    picture = np.full((HEIGHT, HEIGHT, 3), PAPER, np.uint8)
    grip = Grip([finger], HEIGHT, HEIGHT, np.random.default_rng(seed))
    grip.lay(picture, grip.ends + np.array(moved, np.float32))
    return picture


def is_skin(picture: Picture) -> np.ndarray:
    red, green, blue = np.moveaxis(picture.astype(int), 2, 0)
    return np.asarray((red > green + 8) & (green >= blue))


def test_the_seed_decides() -> None:
    assert np.array_equal(held(), held())
    assert not np.array_equal(held(), held(seed=2))


def test_it_lies_from_root_to_tip_and_nowhere_else() -> None:
    rows, columns = np.nonzero(is_skin(held()))
    assert (columns.min(), columns.max()) == pytest.approx((60, 140), abs=3)
    assert (rows.min(), rows.max()) == pytest.approx((85, 115), abs=4)
    far = np.ones((HEIGHT, HEIGHT), bool)
    far[60:140, 40:160] = False
    assert (held()[far] == PAPER).all()


def test_it_is_shaded_as_if_round_not_flat() -> None:
    across = held()[80:120, 95].astype(int).sum(axis=1)
    inside = across[is_skin(held())[80:120, 95]][2:-2]  # without the soft edge
    assert inside.max() > 1.3 * inside.min()
    assert inside[0] < inside.max() > inside[-1]
    assert np.abs(np.diff(inside)).max() < 0.5 * np.ptp(inside), "no steps"


def test_its_edge_is_soft_and_its_shadow_falls_on_what_it_holds() -> None:
    down = held()[100:160, 100].astype(int).mean(axis=1)
    outside = down[~is_skin(held())[100:160, 100]]
    assert outside.min() < PAPER - 25
    assert outside[-1] == PAPER
    assert np.abs(np.diff(down)).max() < 54


@pytest.mark.parametrize(
    "finger", [FINGER, Finger(FINGER.tip, FINGER.root, FINGER.thick)], ids=["right", "left"]
)
def test_light_comes_from_above_whichever_way_it_points(finger: Finger) -> None:
    column = held(finger)[:, 90].astype(int).sum(axis=1)[is_skin(held(finger))[:, 90]]
    assert column[: len(column) // 2].mean() > 1.1 * column[len(column) // 2 :].mean()


def test_a_long_one_widens_into_a_hand() -> None:
    skin = is_skin(held(LONG))
    assert skin[:, 20].sum() > 1.5 * skin[:, 150].sum() > 0


def test_it_moves_with_what_it_holds_and_may_leave_the_picture() -> None:
    moved = held(moved=(20, 10))[10:, 20:].astype(int)
    assert np.abs(moved - held()[:-10, :-20]).max() < 20  # a rounding of 1/32 px
    partly = held(moved=(100, 0))
    assert is_skin(partly).any()
    assert (held(moved=(1000, -1000)) == PAPER).all()


def test_each_finger_has_its_place() -> None:
    grip = Grip([FINGER, LONG], 1000, HEIGHT, np.random.default_rng(1))
    assert grip.ends.shape == (2, 2, 2)
    assert grip.ends[1] == pytest.approx(np.array([[0, 500], [900, 500]]))
