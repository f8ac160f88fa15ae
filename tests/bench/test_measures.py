"""Simple measures of a face."""

import numpy as np
import pytest

from bench.judging.measures import ita

pytestmark = pytest.mark.unit


def test_lighter_skin_has_the_larger_angle_and_what_is_not_yellowish_has_none():
    light, dark = ita(np.array([235.0, 205.0, 180.0])), ita(np.array([90.0, 60.0, 45.0]))
    assert light is not None
    assert dark is not None
    assert light > 41 > -30 > dark
    assert ita(np.array([120.0, 130.0, 200.0])) is None
