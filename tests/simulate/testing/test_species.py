import pytest

from guard.core.types import Family
from guard.simulate.testing.species import FACE_SWAP, PHOTO_IN_HAND, SPECIES

pytestmark = pytest.mark.unit


def test_every_name_says_that_it_is_a_test_variant() -> None:
    assert SPECIES == {"photo-in-hand:test": PHOTO_IN_HAND, "face-swap:test": FACE_SWAP}
    assert PHOTO_IN_HAND.family is Family.PRESENTATION
    assert FACE_SWAP.family is Family.MANIPULATION
