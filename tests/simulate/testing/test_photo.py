from itertools import islice, pairwise

import cv2
import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.core.geometry import Box
from guard.simulate.testing.photo import HeldPhoto, portrait
from tests.support.faces import drawn_face

pytestmark = pytest.mark.unit

PHOTO = drawn_face((160, 200), (80, 90), 90, (210, 160, 130))
SIZE = (176, 144)


def held(seed: int = 1, fill: float = 0.94) -> HeldPhoto:
    return HeldPhoto(PHOTO, SIZE, seed, fill=fill)


def test_frames_never_repeat_and_seed_decides() -> None:
    first, again, other = (list(islice(held(seed), 60)) for seed in (1, 1, 2))
    assert all(frame.shape == (144, 176, 3) and frame.dtype == np.uint8 for frame in first)
    assert len({frame.tobytes() for frame in first}) == 60
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (first[0] != other[0]).any()


def test_motion_is_slow_but_there() -> None:
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in islice(held(), 120)]
    window = cv2.createHanningWindow(SIZE, cv2.CV_32F)
    shifts = [cv2.phaseCorrelate(a, b, window)[0] for a, b in pairwise(grey)]
    assert np.linalg.norm(shifts, axis=1).max() < 3.0
    assert np.ptp(np.cumsum(shifts, axis=0), axis=0).max() > 2.0


def test_the_photo_has_no_life() -> None:
    """Undone its perspective, every frame shows the same face."""
    photo = held(fill=0.8)
    matrices: list[np.ndarray] = []
    compose = photo._compose

    def spy(sheet: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        matrices.append(matrix)
        return compose(sheet, matrix)

    photo._compose = spy  # type: ignore[method-assign]  # the pose is the simulator's secret
    frames = list(islice(photo, 60))
    rows, columns = photo._sheet.shape[:2]
    flat = [
        cv2.warpPerspective(frame, matrix, (columns, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        for frame, matrix in zip(frames, matrices, strict=True)
    ]
    faces = np.array(flat)[:, rows // 4 : rows // 2, columns // 4 : 3 * columns // 4].astype(float)
    faces -= faces.mean(axis=(1, 2), keepdims=True)
    spread_in_time = faces.std(axis=0).mean()
    spread_in_space = faces.std(axis=(1, 2)).mean()
    assert spread_in_time < 0.3 * spread_in_space


def test_edges_show_below_fill_one_and_vanish_above() -> None:
    paper = np.array([232, 228, 218])
    small = np.array(list(islice(held(fill=0.7), 20)))
    assert (np.abs(small[:, 72] - paper).max(axis=-1) < 25).any(axis=1).all()
    corners = small[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.mean() < 190  # the room
    close = np.array(list(islice(HeldPhoto(np.full((200, 300, 3), 90, np.uint8), SIZE, 1, fill=1.8), 20)))
    assert close[:, 20:-50, 20:-20].mean(axis=(1, 2, 3)) == pytest.approx(np.full(20, 115.0), abs=35)
    assert close[:, 20:-50, 20:-20].std(axis=(1, 2)).max() < 25  # nothing but the photo


def test_two_hands_come_from_below_and_go_with_the_photo() -> None:
    frames = list(islice(HeldPhoto(np.full((200, 160, 3), 90, np.uint8), (320, 240), 1, fill=0.8), 40))
    bottom = np.array(frames)[:, -4:].astype(int).mean(axis=1)
    skin = bottom[..., 0] - bottom[..., 2] > 25
    assert skin[:, :160].any(axis=1).all()
    assert skin[:, 160:].any(axis=1).all()
    assert len(set(skin.argmax(axis=1).tolist())) > 1


def test_portrait_gives_the_face_its_share() -> None:
    face = Box(400, 100, 480, 200)
    cut = portrait(np.zeros((600, 800, 3), np.uint8), face, aspect=0.8, face_share=0.5)
    assert cut.shape == (200, 160, 3)


def test_portrait_stays_inside_the_picture() -> None:
    cut = portrait(PHOTO, Box(0, 0, 150, 190))
    assert cut.shape[0] <= 200
    assert cut.shape[1] / cut.shape[0] == pytest.approx(0.8, abs=0.02)


def test_other_pictures_are_refused() -> None:
    with pytest.raises(ShapeError, match="HeldPhoto: expected RGB uint8"):
        HeldPhoto(PHOTO[..., 0], SIZE, 1)
