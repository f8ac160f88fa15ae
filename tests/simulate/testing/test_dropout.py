"""A hand passes; the swap slips, drops out, and comes back."""

import numpy as np
import pytest

from guard.simulate.testing.dropout import OccludedSwap
from tests.support.species import drawn_material

pytestmark = pytest.mark.unit

MATERIAL = drawn_material()


def test_the_swap_drops_out_for_a_while_under_the_hand() -> None:
    assert MATERIAL.other is not None
    target, points = MATERIAL.person.clip[0], MATERIAL.person.points[0]
    made = OccludedSwap(MATERIAL.other, 1)
    frames = [made.apply(target, points, number / 15) for number in range(225)]
    shown = np.array([there for _, there in frames])
    assert 0.5 < shown.mean() < 0.95
    ends = np.flatnonzero(np.diff(shown.astype(int)) == 1)
    assert len(ends) >= 2
    assert shown[:30].all()
    for picture, there in frames:
        greenish = picture[60, 75].astype(int)
        if not there:  # the person's own face, or the hand before it
            assert greenish[0] > greenish[1]


def test_nothing_but_the_swap_shows_before_the_first_pass() -> None:
    assert MATERIAL.other is not None
    target, points = MATERIAL.person.clip[0], MATERIAL.person.points[0]
    picture, there = OccludedSwap(MATERIAL.other, 1).apply(target, points, 0.0)
    assert there
    assert (picture[:20] == target[:20]).all()
    assert (picture != target).any()
