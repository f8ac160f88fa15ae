"""A loop repeats to the last bit; a fade hides its seam."""

from itertools import islice

import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.simulate.testing.loop import LoopedClip
from tests.support.species import SIZE, drawn_person

pytestmark = pytest.mark.unit


def looped(fade: float) -> LoopedClip:
    return LoopedClip(drawn_person(60), SIZE, 1, length=1.0, fade=fade)


@pytest.mark.parametrize("fade", [0.0, 0.2])
def test_it_begins_again(fade: float) -> None:
    frames = list(islice(looped(fade), 90))
    assert all((frames[n] == frames[n + 30]).all() for n in range(60))


def test_a_fade_hides_the_seam() -> None:
    def seam(fade: float) -> float:
        frames = np.array(list(islice(looped(fade), 31)), float)
        return float(np.abs(frames[30] - frames[29]).mean())

    assert seam(0.2) < 0.6 * seam(0.0)


def test_a_clip_that_is_too_short_is_refused() -> None:
    with pytest.raises(ShapeError, match="expected a clip of 24 pictures or more, got 20; give a longer"):
        LoopedClip(drawn_person(20), SIZE, 1, fade=0.4)
