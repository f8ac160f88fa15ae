import cv2
import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.simulate.testing.material import Points
from guard.simulate.testing.swap import FaceSwap, SwapStyle
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

TARGET = drawn_face((200, 160), (90, 80), 100, (200, 150, 120))
TARGET_POINTS = drawn_points((90, 80), 100)
SOURCE = drawn_face((240, 240), (120, 110), 150, (90, 160, 90))
SOURCE_POINTS = drawn_points((120, 110), 150)
STEADY = SwapStyle(jitter=0.0)


def swap(
    target: Picture, points: Points, source: Picture, source_points: Points, style: SwapStyle | None = None
) -> Picture:
    return FaceSwap(source, source_points, 0, style).apply(target, points)


def outside(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    hull = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points.astype(np.int32)), 1)
    return np.asarray(cv2.dilate(hull, np.ones((9, 9), np.uint8)) == 0)


def test_another_face_stands_in_the_middle_and_nothing_changes_outside() -> None:
    style = SwapStyle(jitter=0.0, colour=0.0)
    before = TARGET.copy()
    result = swap(TARGET, TARGET_POINTS, SOURCE, SOURCE_POINTS, style=style)
    assert (before == TARGET).all()
    assert result.shape == TARGET.shape
    around = outside(TARGET_POINTS, TARGET.shape)
    assert (result[around] == TARGET[around]).all()
    assert result[90, 90] == pytest.approx(np.array([90, 160, 90]), abs=3)


def test_colours_are_drawn_to_the_target() -> None:
    result = swap(TARGET, TARGET_POINTS, SOURCE, SOURCE_POINTS, style=STEADY)
    assert np.abs(result[90, 90].astype(int) - (200, 150, 120)).max() < 25


def test_edge_is_feathered() -> None:
    style = SwapStyle(jitter=0.0, colour=0.0)
    row = swap(TARGET, TARGET_POINTS, SOURCE, SOURCE_POINTS, style=style)[80].astype(int)
    steps = np.abs(np.diff(row[52:80, 0]))  # red falls from 200 to 90 from the left edge inwards
    assert row[52, 0] - row[79, 0] > 80
    assert steps.max() < 40


def test_features_follow_the_target_s_landmarks() -> None:
    moved = drawn_points((110, 85), 80)
    target = drawn_face((200, 160), (110, 85), 80, (200, 150, 120))
    result = swap(target, moved, SOURCE, SOURCE_POINTS, style=SwapStyle(jitter=0.0, colour=0.0))
    for side in (-1, 1):
        x, y = 110 + side * round(80 * 0.17), 85 - 8
        eye = result[y - 4 : y + 5, x - 5 : x + 6].astype(int)
        assert eye.min() < 100  # pupil
        assert eye[..., 0].max() > 200  # white


def test_swapping_a_face_for_itself_changes_little() -> None:
    result = swap(TARGET, TARGET_POINTS, TARGET, TARGET_POINTS, style=STEADY)
    assert np.abs(result.astype(int) - TARGET).mean() < 1.5


def test_every_triangle_shows_its_own_part_of_the_source() -> None:
    y, x = np.mgrid[0:160, 0:200]
    slope = np.stack([x, y, x // 2 + y // 2], axis=2).astype(np.uint8)
    style = SwapStyle(jitter=0.0, colour=0.0, detail_px=100)
    moved = TARGET_POINTS + np.array([10, 5], np.float32)
    result = swap(slope, moved, slope, TARGET_POINTS, style=style)
    core = (slice(58, 115), slice(75, 125))
    expected = slope[core].astype(int) - (10, 5, 8)
    lips = slice(103 - 58, 118 - 58)
    differs = np.abs(result[core] - expected).max(axis=2) > 3
    differs[lips] = False  # the line between them stays the target's
    assert not differs.any()


def test_open_mouth_stays_the_target_s() -> None:
    target = TARGET.copy()
    cv2.ellipse(target, (90, 105), (12, 10), 0, 0, 360, (20, 5, 5), cv2.FILLED)
    result = swap(target, drawn_points((90, 80), 100, mouth=0.2), SOURCE, SOURCE_POINTS, style=STEADY)
    assert result[105, 90] == pytest.approx(np.array([20, 5, 5]), abs=6)


def test_landmarks_tremble_from_frame_to_frame_by_seed() -> None:
    first, again = FaceSwap(SOURCE, SOURCE_POINTS, seed=1), FaceSwap(SOURCE, SOURCE_POINTS, seed=1)
    frames = [first.apply(TARGET, TARGET_POINTS) for _ in range(3)]
    assert len({frame.tobytes() for frame in frames}) == 3
    assert all((frame == again.apply(TARGET, TARGET_POINTS)).all() for frame in frames)


@pytest.mark.parametrize("shift", [(-500.0, 0.0), (0.0, 900.0), (148.0, 0.0)])
def test_a_face_outside_of_the_picture_changes_nothing(shift: tuple[float, float]) -> None:
    points = TARGET_POINTS + np.array(shift, np.float32)
    assert (swap(TARGET, points, SOURCE, SOURCE_POINTS) == TARGET).all()


@pytest.mark.parametrize("shift", [(-60.0, 0.0), (0.0, -60.0), (80.0, 50.0)])
def test_a_face_cut_by_the_border_is_still_swapped(shift: tuple[float, float]) -> None:
    points = TARGET_POINTS + np.array(shift, np.float32)
    assert (swap(TARGET, points, SOURCE, SOURCE_POINTS) != TARGET).any()


def test_landmarks_of_another_mesh_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"FaceSwap\.source_points"):
        FaceSwap(SOURCE, SOURCE_POINTS[:468], seed=1)
    with pytest.raises(ShapeError, match=r"FaceSwap\.target_points"):
        FaceSwap(SOURCE, SOURCE_POINTS, seed=1).apply(TARGET, TARGET_POINTS.astype(np.float64))
