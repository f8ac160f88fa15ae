"""The person stays, what is behind does not."""

from itertools import islice
from typing import Literal

import numpy as np
import pytest

from guard.simulate.extend import Extension
from guard.simulate.testing.background import OtherBackground, matte
from guard.simulate.testing.mesh import NOSE
from tests.support.species import SIZE, drawn_person

pytestmark = pytest.mark.unit

PERSON = drawn_person()


def test_the_matte_holds_the_face_and_not_the_far_corners() -> None:
    found = matte(PERSON.clip[0], PERSON.points[0])
    assert found.shape == (120, 160)
    assert found[50:70, 60:80].min() > 0.95
    assert found[:20, [0, -1]].max() < 0.05
    assert 0 < ((found > 0.05) & (found < 0.95)).mean() < 0.3


@pytest.mark.parametrize("kind", ["blur", "virtual"])
def test_the_face_is_the_persons_own_and_the_wall_is_not(kind: Literal["blur", "virtual"]) -> None:
    background = OtherBackground(PERSON, kind, SIZE, 1)
    for made in islice(Extension(PERSON.clip, SIZE, 1), 4):
        picture = background.apply(made).astype(int)
        x, y = made.move(PERSON.points[made.source_index])[list(NOSE)].mean(axis=0).astype(int).tolist()
        nose = np.s_[y - 5 : y + 6, x - 5 : x + 6]
        assert np.abs(picture[nose] - made.picture[nose]).max() <= 2
        assert np.abs(picture[:20, :20] - made.picture[:20, :20]).max() > 2
