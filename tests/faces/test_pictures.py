"""Tests of pictures cut from planes."""

import cv2
import numpy as np
import pytest

from guard.core.geometry import Box
from guard.core.types import VideoFrame
from guard.faces.pictures import (
    as_frame,
    cut_inside,
    cut_square,
    face_luma,
    laplacian_variance,
    small_picture,
)
from tests.support.faces_pictured import hung, pictured_face, wall

pytestmark = pytest.mark.unit

SCENE = hung(wall(), pictured_face(200), 200, 100)


def test_colours_are_those_of_bt601() -> None:
    frame = as_frame(SCENE)
    planes = np.vstack([frame.y, frame.u.reshape(-1, 640), frame.v.reshape(-1, 640)])
    expected = cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420).astype(int)
    assert np.abs(small_picture(frame, 640).astype(int) - expected).mean() < 1.5


def test_full_range_planes_are_not_stretched() -> None:
    planes = (np.full((4, 4), 100, np.uint8), np.full((2, 2), 128, np.uint8), np.full((2, 2), 128, np.uint8))
    frame = VideoFrame(*planes, pts=0, arrived_at=0, decoded_at=0, full_range=True)
    assert small_picture(frame, 4)[0, 0].tolist() == [100, 100, 100]
    limited = VideoFrame(*planes, pts=0, arrived_at=0, decoded_at=0)
    assert small_picture(limited, 4)[0, 0].tolist() == [98, 98, 98]


@pytest.mark.parametrize(
    ("width", "shape"), [(320, (180, 320, 3)), (640, (360, 640, 3)), (999, (360, 640, 3))]
)
def test_the_small_picture_only_shrinks(width: int, shape: tuple[int, ...]) -> None:
    assert small_picture(as_frame(SCENE), width).shape == shape


def test_a_square_inside_shows_what_is_there() -> None:
    cut = cut_square(as_frame(SCENE), Box(200, 100, 400, 300), 200)
    assert np.abs(cut.astype(int) - pictured_face(200).astype(int)).mean() < 2.5


@pytest.mark.parametrize("size", [96, 127, 224])
def test_the_square_has_the_size_asked_for(size: int) -> None:
    cut = cut_square(as_frame(SCENE), Box(210.3, 101.9, 333.3, 250.2), size)
    assert cut.shape == (size, size, 3)
    assert cut.dtype == np.uint8


def test_what_lies_outside_is_mirrored_in() -> None:
    cut = cut_square(as_frame(SCENE), Box(-50, 100, 50, 200), 100)
    assert np.abs(cut[:, 10:50].astype(int) - cut[:, 50:90][:, ::-1].astype(int)).max() <= 2


@pytest.mark.parametrize("corner", [(-500, -500), (900, 40), (100, 900), (-90, 350), (639, 359)])
def test_a_square_wholly_outside_is_still_a_picture(corner: tuple[int, int]) -> None:
    x, y = corner
    cut = cut_square(as_frame(SCENE), Box(x, y, x + 80, y + 80), 64)
    assert cut.shape == (64, 64, 3)


def test_a_box_inside_is_squeezed_to_a_square() -> None:
    cut = cut_inside(as_frame(SCENE), Box(200, 100, 400, 300), 200)
    assert np.abs(cut.astype(int) - pictured_face(200).astype(int)).mean() < 2.5
    assert cut_inside(as_frame(SCENE), Box(200, 100, 300, 300), 80).shape == (80, 80, 3)


@pytest.mark.parametrize(
    "box", [Box(0, 0, 640, 360), Box(639, 359, 640, 360), Box(0, 0, 0, 0), Box(1, 1, 639, 359)]
)
def test_a_box_at_the_frames_edge_is_cut(box: Box) -> None:
    assert cut_inside(as_frame(SCENE), box, 40).shape == (40, 40, 3)


def test_odd_frames_can_be_cut() -> None:
    frame = VideoFrame(
        np.full((51, 77), 90, np.uint8),
        np.full((26, 39), 128, np.uint8),
        np.full((26, 39), 128, np.uint8),
        pts=0,
        arrived_at=0,
        decoded_at=0,
    )
    assert cut_square(frame, Box(60, 40, 90, 70), 32).shape == (32, 32, 3)
    assert small_picture(frame, 640).shape == (51, 77, 3)


def test_blur_lowers_sharpness() -> None:
    box = Box(250, 130, 350, 270)
    sharp = laplacian_variance(face_luma(as_frame(SCENE), box, 96))
    soft = laplacian_variance(
        face_luma(as_frame(np.asarray(cv2.GaussianBlur(SCENE, (0, 0), 4.0), np.uint8)), box, 96)
    )
    assert soft < sharp / 4


def test_luma_of_a_box_outside_is_black() -> None:
    assert face_luma(as_frame(SCENE), Box(700, 10, 800, 100), 96).max() == 0
