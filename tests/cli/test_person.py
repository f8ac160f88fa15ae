"""Of a clip the longest stretch with a face is taken, and no larger than wanted."""

import numpy as np
import pytest

from guard.cli.person import read_person
from guard.config import FaceSettings
from guard.core.geometry import Box, bounding_box
from guard.core.types import Picture, VideoFrame
from guard.faces.pictures import as_frame
from guard.simulate.testing.material import Person
from tests.support.faces_pictured import hung, pictured_face, wall

pytestmark = pytest.mark.model

FACE = hung(wall(), pictured_face(260), 80, 50)
SMALLER = hung(FACE, pictured_face(180), 430, 90)
"""Another face beside it."""


def frames(*pictures: Picture) -> list[VideoFrame]:
    return [as_frame(picture, number / 10) for number, picture in enumerate(pictures)]


def read(*pictures: Picture, most: int = 640 * 360) -> Person:
    found = read_person(frames(*pictures), FaceSettings(), most)
    assert found is not None
    return found


def test_the_longest_run_with_a_face_is_taken():
    marked = FACE.copy()
    marked[:40] = 0
    person = read(FACE, FACE, wall(), marked, marked, marked, wall(), FACE)
    assert len(person.clip) == len(person.points) == 3
    assert all(picture[:30].max() < 20 for picture in person.clip)


def test_the_largest_face_counts():
    (points,) = read(SMALLER).points
    assert bounding_box(points).overlap(Box(145, 95, 275, 265)) > 0.5


def test_large_pictures_are_scaled_down_and_landmarks_along_with_them():
    whole, half = read(FACE), read(FACE, most=320 * 180)
    assert half.clip[0].shape == (180, 320, 3)
    assert np.abs(2 * half.points[0] - whole.points[0]).max() < 0.1
    assert read(FACE, most=9_000_000).clip[0].shape == FACE.shape


def test_without_a_face_there_is_no_person():
    assert read_person(frames(wall(), wall()), FaceSettings()) is None
    assert read_person([], FaceSettings()) is None
