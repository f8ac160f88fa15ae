"""A hand that sways within bounds, a pinhole's view of a sheet, a room out of focus."""

import cv2
import numpy as np
import pytest

from guard.simulate.testing.held import Hand, flat, project, room, turn

pytestmark = pytest.mark.unit

FRAME, SHEET = (320, 180), (100.0, 140.0)
FLAT = turn(0.0, 0.0, 0.0)


def poses(seed: int = 1, strength: float = 1.0, seconds: float = 120.0) -> np.ndarray:
    hand = Hand(np.random.default_rng(seed), strength)
    return np.array([hand.at(number / 30) for number in range(round(30 * seconds))])


def corners(matrix: np.ndarray) -> np.ndarray:
    """Where the sheet's corners lie in the frame: top left and right, bottom right and left."""
    width, height = SHEET
    at = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float32)
    return np.asarray(cv2.perspectiveTransform(at, matrix)[0])


def seen(away: tuple[float, float, float] = (0.0, 0.0, 0.5), turned: np.ndarray = FLAT) -> np.ndarray:
    return corners(flat(project(FRAME, SHEET, away, turned)))


def test_the_seed_decides_how_a_hand_sways() -> None:
    assert np.array_equal(poses(1), poses(1))
    assert not np.array_equal(poses(1), poses(2))


def test_a_hand_stays_about_its_place_and_never_jumps() -> None:
    found = poses()
    sway, tremor = (0.05, 0.04, 0.045, 0.05, 0.14, 0.10), (0.0022, 0.0022, 0.002, 0.003, 0.01, 0.01)
    most = np.add(sway, tremor)
    assert (np.abs(found) <= most).all()
    assert (np.ptp(found, axis=0) > 0.8 * most).all()
    assert (np.abs(np.diff(found, axis=0)) < 0.2 * most).all()


def test_a_weaker_hand_sways_less_and_a_stand_does_not() -> None:
    assert poses(strength=0.5) == pytest.approx(0.5 * poses())
    assert not poses(strength=0.0, seconds=1.0).any()


def test_a_turn_is_a_rotation_by_its_angles() -> None:
    turned = turn(0.3, -0.2, 0.1)
    assert turned @ turned.T == pytest.approx(np.eye(3))
    assert np.linalg.det(turned) == pytest.approx(1.0)
    assert turn(0.0, 0.0, 0.0) == pytest.approx(np.eye(3))
    assert turn(0.3, 0.0, 0.0) @ (1, 0, 0) == pytest.approx((np.cos(0.3), np.sin(0.3), 0))


@pytest.mark.parametrize("share", [0.3, 0.94, 1.8])
def test_a_sheet_facing_the_camera_is_as_high_as_was_asked_and_in_the_middle(share: float) -> None:
    top_left, top_right, bottom_right, _ = seen((0.0, 0.0, share))
    assert bottom_right[1] - top_right[1] == pytest.approx(share * FRAME[1], rel=1e-4)
    assert top_right[0] - top_left[0] == pytest.approx(share * FRAME[1] * SHEET[0] / SHEET[1], rel=1e-4)
    assert (top_left + bottom_right) / 2 == pytest.approx(np.array(FRAME) / 2, abs=1e-2)


def test_it_moves_by_heights_of_itself() -> None:
    moved = seen((0.1, -0.2, 0.5)) - seen((0.0, 0.0, 0.5))
    assert moved == pytest.approx(np.tile(np.array((0.1, -0.2)) * 0.5 * FRAME[1], (4, 1)), abs=1e-2)


def test_the_side_that_is_turned_towards_the_camera_looks_larger() -> None:
    turned = turn(0.0, 0.4, 0.0)
    left, right = (
        (places[1] - places[0])[1] for places in (seen(turned=turned)[[0, 3]], seen(turned=turned)[[1, 2]])
    )
    nearer = (turned @ (1, 0, 0))[2]  # of the sheet's right side: negative towards the camera
    assert (right > left) == (nearer < 0)
    assert abs(right - left) > 5


def test_the_plane_of_a_projection_is_that_of_its_points() -> None:
    projection = project(FRAME, SHEET, (0.1, 0.05, 0.8), turn(0.1, 0.2, -0.1))
    point = projection @ (30.0, 90.0, 0.0, 1.0)
    on_plane = flat(projection) @ (30.0, 90.0, 1.0)
    assert point == pytest.approx(on_plane)


def test_a_room_is_seeded_uneven_and_out_of_focus() -> None:
    first, again, other = (room(FRAME, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (180, 320, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.std() > 10
    steps = np.abs(np.diff(first.astype(int), axis=1))
    assert steps.max() < 40
