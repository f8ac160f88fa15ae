import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.simulate.training.blend import (
    difference_mask,
    hull_mask,
    landmark_swap,
    match_colours,
    part_swap,
    self_blend,
)
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

SIDE = 160
POINTS = drawn_points((80, 80), 100)
SEEDS = range(12)


def face(skin: tuple[int, int, int] = (200, 160, 140)) -> Picture:
    return drawn_face((SIDE, SIDE), (80, 80), 100, skin)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mask_covers_a_part_of_the_face_and_leaves_the_corners(seed: int) -> None:
    mask = hull_mask(POINTS, (SIDE, SIDE), np.random.default_rng(seed))
    assert mask.shape == (SIDE, SIDE)
    assert mask.dtype == np.float32
    assert 0.4 < mask.max() <= 1.0
    assert 0.02 < mask.mean() < 0.6
    assert mask[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_a_self_blend_changes_the_face_in_a_new_picture(seed: int) -> None:
    picture = face()
    blended, mask = self_blend(picture, POINTS, np.random.default_rng(seed))
    assert blended.shape == picture.shape
    assert blended.dtype == np.uint8
    changed = np.abs(blended.astype(int) - np.asarray(picture, int)).max(axis=2)
    assert changed[mask > 0.3].max() > 0
    assert np.array_equal(picture, face()), "the picture handed in is left alone"


def test_a_self_blend_leaves_one_of_the_two_copies_as_it_was() -> None:
    picture = face()
    kept = []
    for seed in SEEDS:
        blended, mask = self_blend(picture, POINTS, np.random.default_rng(seed))
        kept.append(np.array_equal(blended[mask == 0], picture[mask == 0]))
    assert any(kept)
    assert not all(kept)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (self_blend(face(), POINTS, np.random.default_rng(5))[0] for _ in range(2))
    assert np.array_equal(first, second)
    third = self_blend(face(), POINTS, np.random.default_rng(6))[0]
    assert not np.array_equal(first, third)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_swap_leaves_the_target_outside_its_mask(seed: int) -> None:
    target, source = face(), drawn_face((200, 200), (90, 110), 120, (90, 60, 40))
    swapped, mask = landmark_swap(
        target, POINTS, source, drawn_points((90, 110), 120), np.random.default_rng(seed)
    )
    assert swapped.shape == target.shape
    assert np.array_equal(swapped[mask == 0], target[mask == 0])
    assert not np.array_equal(swapped, target)


def test_some_swaps_are_bent_to_the_expression_of_the_target() -> None:
    """What lies beside the source's landmarks lands where a bent map puts it, or where an affine one does."""
    source_points = np.random.default_rng(1).uniform(30, 130, (60, 2)).astype(np.float32)
    points = source_points.copy()
    points[:, 1] += (source_points[:, 0] - 80) ** 2 / 120  # no affine map does that
    marked = face()
    marked[80:84, 78:82] = 255 - marked[80:84, 78:82]
    heights = []
    for seed in range(30):
        plain, seen = (
            landmark_swap(face(), points, source, source_points, np.random.default_rng(seed))[0].astype(int)
            for source in (face(), marked)
        )
        rows, columns = np.nonzero(np.abs(seen - plain).sum(axis=2) > 60)
        if len(rows) and np.ptp(columns) < 30:
            heights.append(round(float(rows.mean())))
    assert len(heights) > 10
    assert max(heights) - min(heights) >= 3


def test_colours_move_to_those_of_the_target() -> None:
    dark, light = face((60, 40, 30)), face((220, 190, 170))
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[60:110, 55:105] = 1
    matched = match_colours(dark, light, mask, 1.0)
    inside = mask > 0
    assert abs(matched[inside].mean() - light[inside].mean()) < 12


def test_no_landmarks_no_blend() -> None:
    with pytest.raises(ShapeError, match="leave pictures without a face out"):
        self_blend(face(), np.full((478, 2), np.nan, np.float32), np.random.default_rng(0))
    with pytest.raises(ShapeError, match=r"float64 \(160, 160, 3\)"):
        self_blend(face().astype(np.float64), POINTS, np.random.default_rng(0))


def test_a_difference_is_found_where_it_is_and_coding_noise_is_not() -> None:
    original = face()
    noisy = np.clip(original + np.random.default_rng(1).normal(0, 1, original.shape), 0, 255).astype(np.uint8)
    altered = noisy.copy()
    altered[60:100, 60:100] = 255 - altered[60:100, 60:100]
    mask = difference_mask(original, altered)
    assert mask[65:95, 65:95].min() > 0.9
    assert mask[:40].max() < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_part_of_a_swap_is_altered_only_where_the_swap_was(seed: int) -> None:
    original, swap = face(), face((90, 60, 40))
    swap[:, SIDE // 2 :] = original[:, SIDE // 2 :]
    part, mask = part_swap(original, swap, POINTS, np.random.default_rng(seed))
    assert np.array_equal(part[:, SIDE // 2 :], original[:, SIDE // 2 :])
    assert mask[:, SIDE // 2 + 10 :].max() < 0.05
    assert mask.max() > 0.4


def test_some_self_blends_carry_the_chessboard_of_a_generator() -> None:
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    found = []
    for seed in range(40):
        blended = self_blend(grey, POINTS, np.random.default_rng(seed))[0].astype(float)[..., 1]
        middle = blended[64:96, 64:96]
        found.append(np.abs(np.diff(middle, axis=1)).mean() > 0.2)
    assert 2 <= sum(found) <= 25, "only an up-sampled copy of plain grey has any texture"
