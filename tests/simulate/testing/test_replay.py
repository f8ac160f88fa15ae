"""What tells a replay: the display's grid in the camera's, bands that wander, an edge, a moving clip."""

from itertools import islice
from typing import Literal

import numpy as np
import pytest

from guard.simulate.testing.material import Person
from guard.simulate.testing.replay import Replay, _lines, _stripes
from tests.support.faces import drawn_points
from tests.support.species import drawn_person

pytestmark = pytest.mark.unit

SIZE = (320, 180)


def grey_person() -> Person:
    grey = np.full((180, 320, 3), 170, np.uint8)
    return Person([grey, grey], [drawn_points((160, 90), 80)] * 2)


def filmed(display: Literal["phone", "monitor"], count: int, person: Person | None = None) -> np.ndarray:
    replay = Replay(person or grey_person(), SIZE, 4, display=display, noise=0.01)
    return np.array(list(islice(replay, count))).astype(np.float32)


def test_the_grid_leaves_coloured_moire_on_an_even_picture() -> None:
    middle = filmed("monitor", 1)[0, 60:120, 100:220]
    colour = middle[..., 0] - middle[..., 1]
    assert 1.5 < colour.std() < 25


def test_the_grid_lets_as_much_light_through_as_none() -> None:
    for table in (_stripes(0.4), _lines(0.4)):
        assert table.astype(float).mean() == pytest.approx(128, abs=1)


def test_a_monitor_stands_still_and_its_bands_wander() -> None:
    frames = filmed("monitor", 40)[:, 20:160, 60:260].mean(axis=(2, 3))
    shapes = frames / frames.mean(axis=1, keepdims=True)
    assert np.abs(shapes[39] - shapes[0]).max() > 0.02


def test_a_phone_has_an_edge_and_sways() -> None:
    frames = filmed("phone", 40)[:, 90]
    dark = frames.max(axis=2) < 45
    assert dark.any(axis=1).all()
    assert len(set(dark.argmax(axis=1).tolist())) > 1


def test_a_hand_holds_the_phone_on_both_sides_and_no_monitor() -> None:
    for display, held in (("phone", True), ("monitor", False)):
        frame = filmed(display, 1)[0]  # type: ignore[arg-type]  # the two there are
        sides = frame[90:160, 60:130], frame[90:160, 190:260]
        assert [bool((side[..., 0] - side[..., 2] > 35).sum() > 100) for side in sides] == [held] * 2


def test_the_clip_goes_on() -> None:
    frames = filmed("monitor", 6, drawn_person())
    assert np.abs(np.diff(frames, axis=0)).max(axis=(1, 2, 3)).min() > 40
