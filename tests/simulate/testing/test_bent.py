"""A bent print keeps its lengths, and is not flat."""

from itertools import islice

import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.simulate.testing.bent import BentPrint, Roll
from tests.support.faces import drawn_face

pytestmark = pytest.mark.unit

PHOTO = drawn_face((160, 200), (80, 90), 90, (210, 160, 130))


@pytest.mark.parametrize("angle", [0.0, 0.4, -0.7])
@pytest.mark.parametrize("curvature", [0.01, -0.004, 1e-9])
def test_paper_does_not_stretch(angle: float, curvature: float) -> None:
    x = np.linspace(-100, 100, 2001)
    line = Roll(curvature, angle, 12.0).bend(np.column_stack([x, 0.3 * x]))
    length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
    assert length == pytest.approx(200 * np.hypot(1, 0.3), rel=1e-4)


def test_it_bends_this_way_and_that_and_the_light_with_it() -> None:
    frames = np.array(list(islice(BentPrint(np.full_like(PHOTO, 128), (176, 144), 1), 200))[::40], float)
    rows = frames[:, 40:100, 60:116].mean(axis=(1, 3))
    assert np.ptp(rows, axis=1).max() > 8  # an even photo is not evenly lit


def test_where_the_light_of_each_pixel_comes_from_is_found() -> None:
    made = BentPrint(PHOTO, (176, 144), 1)
    roll, projection = Roll(0.006, 0.3, 5.0), made._projection(0.5)
    paper = made._paper_seen(projection, roll).astype(float)
    near = np.abs(paper - made._middle).max(axis=2) < 70
    space = roll.bend(paper - made._middle)
    space[..., :2] += made._middle
    seen = space @ projection[:, :3].T + projection[:, 3]
    missed = seen[..., :2] / seen[..., 2:] - made._lattice.points
    assert np.abs(missed[near]).max() < 0.3


def test_thumbs_lie_on_the_bent_paper_but_do_not_bend() -> None:
    made = BentPrint(PHOTO, (176, 144), 1)
    roll, projection = Roll(0.006, 0.3, 5.0), made._projection(0.5)
    held = made._held(projection, roll)
    tips = made._grip.ends[:, 1]
    assert held[:, 1] == pytest.approx(made._shown(tips, projection, roll), abs=1e-3)
    straight = made._held(projection, Roll(1e-9, 0.3, 5.0))
    lengths = [np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) for ends in (held, straight)]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.01)
    assert np.abs(held - straight).max() > 1


def test_other_pictures_are_refused() -> None:
    with pytest.raises(ShapeError, match="BentPrint: expected RGB uint8"):
        BentPrint(PHOTO[..., 0], (176, 144), 1)
