"""Maps on few points: spread and looked up without a shift, and windows that stay in the picture."""

import cv2
import numpy as np
import pytest

from guard.simulate.testing.lattice import Lattice, apply_homography, laid, looked_up, window_about

pytestmark = pytest.mark.unit

SIZES = [(64, 48), (61, 47), (8, 8), (5, 70)]


def pixels(width: int, height: int) -> np.ndarray:
    """(height, width, 2): x and y of each pixel."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)


def placed(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float32)


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", [4, 8])
def test_what_is_linear_comes_out_exact_at_every_pixel(size: tuple[int, int], step: int) -> None:
    lattice = Lattice(size, step)
    assert lattice.spread(lattice.points) == pytest.approx(pixels(*size), abs=1e-3)
    plane = lattice.points @ placed((0.5, -2.0))[0] + 3
    assert lattice.spread(plane) == pytest.approx(pixels(*size) @ (0.5, -2.0) + 3, abs=1e-2)


def test_a_smooth_map_is_nearly_the_same_as_worked_out_everywhere() -> None:
    lattice = Lattice((64, 48))
    wave = np.sin(lattice.points / np.float32(15)).sum(axis=2)
    assert np.abs(lattice.spread(wave) - np.sin(pixels(64, 48) / 15).sum(axis=2)).max() < 0.08


def test_values_are_found_at_any_place_as_where_they_are_spread() -> None:
    lattice = Lattice((64, 48))
    coarse = np.random.default_rng(2).normal(0, 1, lattice.points.shape[:2]).astype(np.float32)
    spread = lattice.spread(coarse)
    assert lattice.at(coarse, pixels(64, 48)) == pytest.approx(spread, abs=0.05)
    own = lattice.at(lattice.points, pixels(64, 48) + np.float32(0.25))
    assert own == pytest.approx(pixels(64, 48) + 0.25, abs=0.02)


def test_looking_up_each_pixel_changes_nothing_and_a_shift_shifts() -> None:
    source, where = noise(20, 15), pixels(20, 15)
    assert np.array_equal(looked_up(source, where), source)
    shifted = looked_up(source, where + placed((3, 0))[0])
    assert np.array_equal(shifted[:, :-3], source[:, 3:])
    assert (shifted[:, -3:] == source[:, -1:]).all()


def test_outside_there_is_nothing_where_that_was_asked() -> None:
    source, where = noise(20, 15) | np.uint8(1), pixels(20, 15) + placed((0, 40))[0]
    assert not looked_up(source, where, cv2.BORDER_CONSTANT).any()


def test_a_plane_keeps_its_kind() -> None:
    share = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    found = looked_up(share, pixels(4, 3) + np.float32(0.5))
    assert found.dtype == np.float32
    assert found[0, 0] == pytest.approx(share[:2, :2].mean())


def test_layers_lie_by_their_shares() -> None:
    front, back = noise(6, 4), noise(6, 4)[::-1].copy()
    share = np.zeros((4, 6), np.float32)
    share[:, :2], share[:, 2:4] = 1, 0.5
    seen = laid(front, back, share)
    assert np.abs(seen[:, :2].astype(int) - front[:, :2]).max() <= 1
    assert np.abs(seen[:, 4:].astype(int) - back[:, 4:]).max() <= 1
    between = (front[:, 2:4].astype(int) + back[:, 2:4]) / 2
    assert np.abs(seen[:, 2:4] - between).max() <= 1


def test_a_homography_moves_points_and_its_inverse_brings_them_back() -> None:
    matrix = np.array([[1.1, 0.1, 5], [-0.05, 0.9, -3], [1e-3, 2e-3, 1]])
    at = pixels(9, 7)
    there = apply_homography(matrix, at)
    x, y, scale = matrix @ (4, 2, 1)
    assert there[2, 4] == pytest.approx((x / scale, y / scale), rel=1e-5)
    assert apply_homography(np.linalg.inv(matrix), there) == pytest.approx(at, abs=1e-3)


def test_a_window_lies_about_the_points_with_its_margin() -> None:
    points = placed((40, 30), (70, 50))
    rows, columns = window_about(noise(100, 80), points, 0.25, 4) or (slice(0), slice(0))
    assert (rows, columns) == (slice(25, 55), slice(35, 75))


@pytest.mark.parametrize("middle", [(0, 0), (100, 80), (50, 0), (-3, 40)])
def test_a_window_never_leaves_the_picture(middle: tuple[int, int]) -> None:
    picture, points = noise(100, 80), placed((-15, -15), (15, 15)) + placed(middle)
    window = window_about(picture, points, 0.5, 4)
    assert window is not None
    rows, columns = window
    assert 0 <= rows.start < rows.stop <= 80
    assert 0 <= columns.start < columns.stop <= 100
    assert picture[window].shape[:2] == (rows.stop - rows.start, columns.stop - columns.start)


@pytest.mark.parametrize("middle", [(-60, 40), (50, 200), (-13, 40)])
def test_there_is_none_where_hardly_anything_is_in_sight(middle: tuple[int, int]) -> None:
    points = placed((-10, -10), (10, 10)) + placed(middle)
    assert window_about(noise(100, 80), points, 0.0, 4) is None
