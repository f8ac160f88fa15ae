import cv2
import numpy as np
import pytest

from guard.simulate.training.persons import background_changed, beautified, head_mask, person_mask, surrounded
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

SHAPE = (160, 160)
POINTS = drawn_points((80, 70), 70)
FACE = drawn_face(SHAPE, (80, 70), 70, (200, 160, 140))
GREEN = np.full((*SHAPE, 3), (0, 200, 0), np.uint8)


def test_a_head_is_guessed_around_the_landmarks() -> None:
    mask = head_mask(POINTS, SHAPE)
    assert mask[60:90, 70:90].min() > 0.99
    assert mask[:20, :20].max() < 0.01
    assert mask[150, 80] > 0.99


def test_the_person_is_found_by_colour_and_found_again() -> None:
    wall = np.full((*SHAPE, 3), (20, 40, 160), np.uint8)
    cv2.ellipse(wall, (80, 70), (30, 42), 0, 0, 360, (210, 170, 150), -1)
    first, second = person_mask(wall, POINTS), person_mask(wall, POINTS)
    assert np.array_equal(first, second)
    assert first[60:80, 70:90].min() > 0.9
    assert first[:15].max() < 0.1
    assert first[70, 125:].max() < 0.1


def test_a_filter_smooths_skin_and_leaves_the_wall() -> None:
    rng = np.random.default_rng(1)
    noisy = np.clip(FACE + rng.normal(0, 12, FACE.shape), 0, 255).astype(np.uint8)
    smooth = beautified(noisy, POINTS, np.random.default_rng(2))
    assert smooth[55:60, 76:84].std() < noisy[55:60, 76:84].std()
    assert np.array_equal(smooth[:20, :20], noisy[:20, :20])


@pytest.mark.parametrize("seed", range(6))
def test_another_background_leaves_the_person(seed: int) -> None:
    person = head_mask(POINTS, SHAPE)
    seen = background_changed(FACE, person, GREEN, np.random.default_rng(seed))
    assert np.abs(seen[60:80, 70:90].astype(int) - FACE[60:80, 70:90]).max() <= 1
    assert not np.array_equal(seen[:30, :30], FACE[:30, :30])


def test_a_tight_face_fades_into_its_surroundings() -> None:
    seen = surrounded(FACE, POINTS, GREEN, np.random.default_rng(1))
    assert np.array_equal(seen[0, 0], GREEN[0, 0])
    assert np.array_equal(seen[70, 80], FACE[70, 80])
