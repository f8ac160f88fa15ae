"""Tests of the quality gate."""

import numpy as np
import pytest

from guard.config.settings import FaceSettings
from guard.core.geometry import Box
from guard.core.types import Reason
from guard.faces.quality import at_one_exposure, inside_share, judge_quality, turn

pytestmark = pytest.mark.unit

SETTINGS = FaceSettings()


def pose(yaw: float = 0.0, pitch: float = 0.0, scale: float = 1.0) -> np.ndarray:
    y, p = np.radians([yaw, pitch])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    whole = np.eye(4)
    whole[:3, :3] = scale * about_y @ about_x
    return whole


def judged(
    size: float = 120.0, sharpness: float = 60.0, luma: float = 120.0, yaw: float = 0.0, inside: float = 1.0
) -> tuple[Reason, ...]:
    box = Box(0, 0, size, size)
    quality = judge_quality(box, pose(yaw), sharpness=sharpness, luma=luma, inside=inside, settings=SETTINGS)
    assert quality.good == (not quality.reasons)
    return quality.reasons


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (30, 0), (-40, 0), (0, 25), (20, -15)])
def test_turn_reads_the_pose(yaw: float, pitch: float) -> None:
    assert turn(pose(yaw, pitch, scale=1.3)) == pytest.approx((yaw, pitch), abs=1e-6)


def test_an_unknown_pose_is_frontal() -> None:
    assert turn(np.eye(4)) == (0.0, 0.0)


def test_a_plain_face_is_good() -> None:
    assert judged() == ()


def test_each_flaw_has_its_reason() -> None:
    assert judged(size=SETTINGS.min_size_px - 1) == (Reason.TOO_SMALL,)
    assert judged(luma=SETTINGS.min_luma - 1) == (Reason.TOO_DARK,)
    assert judged(luma=SETTINGS.max_luma + 1) == (Reason.TOO_BRIGHT,)
    assert judged(sharpness=SETTINGS.min_sharpness - 1) == (Reason.BLURRED,)
    assert judged(yaw=SETTINGS.max_yaw_deg + 1) == (Reason.TURNED,)
    assert judged(inside=0.7) == (Reason.OUT_OF_FRAME,)


def test_every_flaw_is_named() -> None:
    assert judged(size=20, luma=10, sharpness=1) == (Reason.TOO_SMALL, Reason.TOO_DARK, Reason.BLURRED)


def test_inside_share() -> None:
    assert inside_share(Box(-50, 0, 50, 100), 640, 360) == pytest.approx(0.5)
    assert inside_share(Box(10, 10, 10, 10), 640, 360) == 0.0


def test_half_the_light_does_not_blur() -> None:
    assert at_one_exposure(13.0, 66.0) == pytest.approx(at_one_exposure(52.0, 116.0))
    assert at_one_exposure(1.0, 16.0) < 10, "the gain is bounded: black stays blurred"
