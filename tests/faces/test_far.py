"""Tests of how tiles cover a frame and how regions are placed in it."""

import numpy as np
import pytest

from guard.core.geometry import Box
from guard.faces.far import TILE_OVERLAP, TILE_SHARES, placed, tiles
from guard.faces.landmarker import Mesh

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (1280, 720), (320, 320)])
@pytest.mark.parametrize("share", TILE_SHARES)
def test_every_face_as_large_as_the_overlap_lies_whole_in_a_tile(size: tuple[int, int], share: float) -> None:
    every = list(tiles(*size, share))
    side = TILE_OVERLAP * min(size) * share * 0.99
    for x in np.linspace(0, size[0] - side, 30):
        for y in np.linspace(0, size[1] - side, 30):
            assert any(t.x1 <= x and t.y1 <= y and x + side <= t.x2 and y + side <= t.y2 for t in every)


@pytest.mark.parametrize("share", TILE_SHARES)
def test_tiles_stay_inside_and_are_few(share: float) -> None:
    every = list(tiles(640, 360, share))
    assert all(t.x1 >= 0 and t.x2 <= 640.001 and t.y1 >= 0 and t.y2 <= 360.001 for t in every)
    assert len(every) <= 24


def test_a_region_is_placed_in_the_whole_frame() -> None:
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[1] = (1.0, 0.5, -0.2)
    mesh = Mesh(landmarks, np.zeros(52, np.float32), np.eye(4, dtype=np.float32))
    whole = placed(mesh, Box(100, 50, 200, 150), 400, 200)
    assert whole.landmarks[0] == pytest.approx([0.25, 0.25, 0.0])
    assert whole.landmarks[1] == pytest.approx([0.5, 0.5, -0.05])
