"""Tests of who is who from frame to frame."""

import pytest

from guard.core.geometry import Box
from guard.faces.identity import Identities, without_doubles

pytestmark = pytest.mark.unit


def face(x: float, y: float = 100.0, size: float = 80.0) -> Box:
    return Box(x, y, x + size, y + size)


def test_a_moving_face_keeps_its_id() -> None:
    identities = Identities(gap_s=1.0)
    ids = {identities.assign([face(100 + 20 * step)], step * 0.1)[0] for step in range(10)}
    assert ids == {1}


def test_two_faces_keep_their_ids_when_their_order_changes() -> None:
    identities = Identities(gap_s=1.0)
    assert identities.assign([face(100), face(300)], 0.0) == [1, 2]
    assert identities.assign([face(305), face(98)], 0.1) == [2, 1]


def test_the_nearest_face_takes_the_id_and_the_other_gets_a_fresh_one() -> None:
    identities = Identities(gap_s=1.0)
    identities.assign([face(100)], 0.0)
    assert identities.assign([face(140), face(104)], 0.1) == [2, 1]


@pytest.mark.parametrize(("gap", "expected"), [(0.9, 1), (1.1, 2)])
def test_an_id_lives_through_gaps_up_to_the_limit(gap: float, expected: int) -> None:
    identities = Identities(gap_s=1.0)
    identities.assign([face(100)], 0.0)
    identities.assign([], gap / 2)
    assert identities.assign([face(110)], gap) == [expected]


def test_ids_are_never_used_again() -> None:
    identities = Identities(gap_s=0.5)
    given = [identities.assign([face(100)], second)[0] for second in (0.0, 1.0, 2.0, 3.0)]
    assert given == [1, 2, 3, 4]


@pytest.mark.parametrize("other", [face(300), face(100, size=200.0)])
def test_a_face_far_away_or_of_another_size_is_another(other: Box) -> None:
    identities = Identities(gap_s=1.0)
    identities.assign([face(100)], 0.0)
    assert identities.assign([other], 0.1) == [2]


def test_doubles_are_left_out_and_neighbours_kept() -> None:
    assert without_doubles([face(100), face(106), face(170)]) == [0, 2]
