"""Names of blendshapes are in MediaPipe's order, as many as a face carries."""

import pytest

from guard.core.blendshapes import BLENDSHAPE_NAMES, blendshape_columns
from guard.core.types import BLENDSHAPES

pytestmark = pytest.mark.unit


def test_as_many_names_as_a_face_carries_and_each_once():
    assert len(set(BLENDSHAPE_NAMES)) == len(BLENDSHAPE_NAMES) == BLENDSHAPES


def test_columns_stand_where_the_names_stand():
    assert blendshape_columns("eyeBlinkRight", "_neutral") == [10, 0]


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="not in tuple"):
        blendshape_columns("eyeWink")
