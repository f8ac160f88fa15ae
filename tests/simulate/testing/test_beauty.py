"""A beauty filter changes skin and eyes, gently, and nothing far from the face."""

import numpy as np
import pytest

from guard.simulate.testing.beauty import BeautyFilter, Taste
from guard.simulate.testing.mesh import BROWS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

POINTS = drawn_points((100, 80), 90)
for part, centre, width in (
    (RIGHT_EYE, (85, 71), 12),
    (LEFT_EYE, (115, 71), 12),
    (BROWS[:8], (85, 62), 14),
    (BROWS[8:], (115, 62), 14),
    (OUTER_LIPS, (100, 103), 22),
):
    across = np.linspace(-0.5, 0.5, len(part))
    POINTS[list(part)] = np.column_stack([centre[0] + width * across, centre[1] + 3 * np.cos(9 * across)])


def rough_face() -> np.ndarray:
    face = drawn_face((200, 160), (100, 80), 90, (200, 150, 120))
    noise = np.random.default_rng(1).normal(0, 6, face.shape)
    return np.asarray(np.clip(face + noise, 0, 255), np.uint8)


def test_skin_is_smoother_and_the_rest_untouched() -> None:
    face = rough_face()
    made = BeautyFilter(Taste(eyes=0.0, jaw=0.0)).apply(face, POINTS)
    cheek = np.s_[88:98, 78:86]
    assert made[cheek].std(axis=(0, 1)).mean() < 0.7 * face[cheek].std(axis=(0, 1)).mean()
    assert (made[:8] == face[:8]).all()
    assert (made[:, :20] == face[:, :20]).all()


def test_it_stays_a_gentle_change() -> None:
    face = rough_face()
    assert 0.3 < np.abs(BeautyFilter().apply(face, POINTS).astype(int) - face).mean() < 8


@pytest.mark.parametrize("shift", [(-500.0, 0.0), (0.0, 900.0)])
def test_a_face_outside_of_the_picture_changes_nothing(shift: tuple[float, float]) -> None:
    face = rough_face()
    assert (BeautyFilter().apply(face, POINTS + np.array(shift, np.float32)) == face).all()
