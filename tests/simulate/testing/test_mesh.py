"""The parts of a face lie where their names say, in the landmarks of a face that was found."""

import cv2
import numpy as np
import pytest

from guard.config.settings import FaceSettings
from guard.core.types import LANDMARKS
from guard.faces.landmarker import load_model
from guard.faces.pictures import as_frame
from guard.faces.tracker import FaceTracker
from guard.simulate.testing import mesh
from tests.support.faces_pictured import hung, pictured_face, wall

pytestmark = pytest.mark.model

PARTS = (
    "OVAL",
    "INNER_LIPS",
    "OUTER_LIPS",
    "RIGHT_EYE",
    "LEFT_EYE",
    "BROWS",
    "NOSE",
    "SKIN",
    "JAW",
    "FEATURES",
)
RINGS = ("OVAL", "INNER_LIPS", "OUTER_LIPS", "RIGHT_EYE", "LEFT_EYE")


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """Landmarks of a drawn face with an open mouth, in heights of its outline, y down."""
    settings = FaceSettings()
    with FaceTracker(settings, load_model(settings), following=False) as tracker:
        (face,) = tracker.observe(as_frame(hung(wall(), pictured_face(256, mouth=0.6), 192, 60)), 0.0)
    found = face.points_px()
    return np.asarray(found / np.ptp(found[list(mesh.OVAL), 1]), np.float32)


def part(points: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(points[list(getattr(mesh, name))])


def depth(ring: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How deep each place lies inside a ring; negative outside."""
    return np.array([cv2.pointPolygonTest(ring, place.tolist(), measureDist=True) for place in places])


@pytest.mark.parametrize("name", PARTS)
def test_a_part_names_landmarks_each_once(name: str) -> None:
    indices = getattr(mesh, name)
    assert len(set(indices)) == len(indices)
    assert set(indices) <= set(range(LANDMARKS))


@pytest.mark.parametrize("name", RINGS)
def test_a_ring_goes_about_once_without_a_leap(points: np.ndarray, name: str) -> None:
    ring = part(points, name)
    strides = np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1)
    assert strides.max() < 0.45 * np.ptp(ring, axis=0).max()
    turned = ring - ring.mean(axis=0)
    angles = np.unwrap(np.arctan2(turned[:, 1], turned[:, 0]), axis=0)
    assert abs(angles[-1] - angles[0]) == pytest.approx(2 * np.pi, abs=1.2)


def test_the_outline_runs_clockwise_from_the_forehead_and_holds_all_else(points: np.ndarray) -> None:
    ring = part(points, "OVAL")
    assert mesh.OVAL[0] == mesh.FOREHEAD
    assert cv2.contourArea(ring, oriented=True) > 0  # y grows downwards
    assert points[mesh.FOREHEAD, 1] == pytest.approx(ring[:, 1].min(), abs=0.02)
    assert points[mesh.CHIN, 1] == pytest.approx(ring[:, 1].max(), abs=0.02)
    assert depth(ring, points).min() > -0.03
    assert depth(ring, part(points, "FEATURES")).min() > 0.005


def test_the_jaw_is_the_outline_below_the_ears(points: np.ndarray) -> None:
    jaw, rest = part(points, "JAW"), points[[one for one in mesh.OVAL if one not in mesh.JAW]]
    assert mesh.CHIN in mesh.JAW
    assert jaw[:, 1].min() > rest[:, 1].max() - 0.02
    assert jaw[:, 1].min() > part(points, "RIGHT_EYE")[:, 1].max()


def test_eyes_brows_nose_and_lips_stand_as_in_a_face(points: np.ndarray) -> None:
    right, left = part(points, "RIGHT_EYE"), part(points, "LEFT_EYE")
    assert right[:, 0].max() < part(points, "NOSE")[:, 0].mean() < left[:, 0].min()  # the person's right
    eyes = np.concatenate([right, left])[:, 1].mean()
    assert part(points, "BROWS")[:, 1].max() < eyes < part(points, "NOSE")[:, 1].max()
    lips = part(points, "OUTER_LIPS")
    assert part(points, "NOSE")[:, 1].max() < lips[:, 1].min()
    assert depth(lips, part(points, "INNER_LIPS")).min() > -0.005


def test_skin_is_neither_eye_nor_lip(points: np.ndarray) -> None:
    for ring in ("RIGHT_EYE", "LEFT_EYE", "OUTER_LIPS"):
        assert depth(part(points, ring), part(points, "SKIN")).max() < 0
