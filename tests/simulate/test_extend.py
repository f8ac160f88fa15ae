from itertools import islice, pairwise

import cv2
import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.simulate.extend import Extension, walk
from tests.support.faces import drawn_face

pytestmark = pytest.mark.unit

SIZE = (96, 80)


def clip(length: int = 20) -> list[Picture]:
    return [drawn_face(SIZE, (40 + n, 40), 50, (200, 150, 120)) for n in range(length)]


@pytest.mark.parametrize(("length", "seed"), [(2, 0), (20, 1), (120, 2), (1000, 3)])
def test_walk_never_jumps_and_never_rests_for_long(length: int, seed: int) -> None:
    path = np.array(list(islice(walk(length, np.random.default_rng(seed)), 5000)))
    steps = np.diff(path)
    assert path.min() >= 0
    assert path.max() < length
    assert set(steps) == {-1, 0, 1}
    still = "".join("0" if step == 0 else "1" for step in steps)
    assert "0000" not in still
    if length >= 100:
        assert (steps == 0).mean() < 0.05  # natural speed


def test_walk_visits_the_whole_clip_in_no_fixed_order() -> None:
    path = list(islice(walk(120, np.random.default_rng(4)), 6000))
    assert set(path) == set(range(120))
    turns = [path[n] for n in range(1, 5999) if path[n - 1] == path[n + 1] != path[n]]
    assert len(set(turns)) > 10  # pure there-and-back turns at two places only


def test_no_frame_is_ever_the_same() -> None:
    frames = list(islice(Extension(clip(), SIZE, seed=1), 600))
    assert len({frame.picture.tobytes() for frame in frames}) == 600


def test_seed_decides_everything() -> None:
    first, again, other = (list(islice(Extension(clip(), SIZE, seed), 40)) for seed in (1, 1, 2))
    assert all((a.picture == b.picture).all() for a, b in zip(first, again, strict=True))
    assert any((a.picture != b.picture).any() for a, b in zip(first, other, strict=True))


def test_size_is_as_asked_and_points_move_along() -> None:
    dotted = [
        cv2.circle(np.zeros((80, 96, 3), np.uint8), (30 + n, 50), 2, (255, 255, 255), -1) for n in range(9)
    ]
    extension = Extension([np.asarray(picture, np.uint8) for picture in dotted], (320, 240), seed=3)
    for frame in islice(extension, 60):
        assert frame.picture.shape == (240, 320, 3)
        expected = frame.move(np.array([[30.0 + frame.source_index, 50.0]]))[0]
        rows, columns = np.nonzero(frame.picture[..., 1] > 150)
        assert (columns.mean(), rows.mean()) == pytest.approx(tuple(expected), abs=0.5)


def test_the_clip_s_border_never_shows() -> None:
    corners = np.array([[0, 0, 1], [39, 0, 1], [0, 29, 1], [39, 29, 1]], float).T
    for frame in islice(Extension(clip(3), (40, 30), seed=5), 2000):
        inverse = np.linalg.inv(np.vstack([frame.matrix, [0, 0, 1]]))
        x, y, _ = inverse @ corners
        assert 0 <= x.min() <= x.max() <= SIZE[0] - 1
        assert 0 <= y.min() <= y.max() <= SIZE[1] - 1


def test_change_from_frame_to_frame_is_small() -> None:
    frames = [frame.picture.astype(int) for frame in islice(Extension(clip(), SIZE, seed=6), 300)]
    changes = [np.abs(b - a).mean() for a, b in pairwise(frames)]
    assert max(changes) < 8


@pytest.mark.parametrize(
    ("pictures", "told"),
    [
        (clip(1), "at least 2 frames, got 1"),
        ([*clip(1), np.zeros((80, 97, 3), np.uint8)], "one size"),
        ([picture.astype(np.float32) for picture in clip(2)], "expected RGB uint8"),
    ],
)
def test_unusable_clips_are_refused(pictures: list[Picture], told: str) -> None:
    with pytest.raises(ShapeError, match=told):
        Extension(pictures, SIZE, seed=1)
