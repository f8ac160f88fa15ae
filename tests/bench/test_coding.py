"""What the codec rungs make of a picture."""

from dataclasses import replace

import numpy as np
import pytest

from bench.judging.coding import FRAMES, HEIGHT, RUNGS, WIDTH, cut_frame, padded, send
from guard.core.errors import MediaError
from guard.core.geometry import Box
from guard.core.types import VideoFrame
from guard.faces.pictures import as_frame
from tests.support.faces_pictured import pictured_face

pytestmark = pytest.mark.media

FACE = Box(64, 40, 192, 232)


def likeness(sent: VideoFrame, original: VideoFrame) -> float:
    """Mean difference of luma, 8-bit steps."""
    return float(np.abs(sent.y.astype(int) - original.y.astype(int)).mean())


@pytest.mark.parametrize("rung", [name for name, codec in RUNGS.items() if codec])
def test_the_face_has_its_size_in_the_middle_of_the_last_frame(rung: str):
    sent = send(as_frame(pictured_face(256)), FACE, 96, rung, seed=1)
    assert (sent.frame.width, sent.frame.height) == (WIDTH, HEIGHT)
    assert sent.frame.pts == pytest.approx((FRAMES - 1) / 30, abs=0.04)
    assert sent.face.size == pytest.approx(96)
    assert np.hypot(*np.subtract(sent.face.centre, (WIDTH / 2, HEIGHT / 2))) < 8
    assert sent.picture().width == sent.shown.width == 128


def test_the_picture_is_recognised_and_a_low_bitrate_costs_more():
    frame = as_frame(pictured_face(128))
    whole = Box(0, 0, 128, 128)
    good, poor = (send(frame, whole, 128, rung, seed=1).picture() for rung in ("vp8-600k", "vp8-250k"))
    assert likeness(good, frame) < 5
    assert likeness(poor, frame) > likeness(good, frame)


def test_the_background_leaves_no_rim_on_the_picture():
    """A codec mixes what lies in one block: without its mirrored band the picture's edge would be stained."""
    grey = np.full((96, 96, 3), 235, np.uint8)
    sent = send(as_frame(grey), Box(0, 0, 96, 96), 96, "vp8-250k", seed=2).picture()
    edge = np.concatenate([sent.y[0], sent.y[-1], sent.y[:, 0], sent.y[:, -1]]).astype(float)
    assert abs(edge.mean() - sent.y[32:64, 32:64].mean()) < 3


def test_the_same_seed_sends_the_same_and_another_another():
    frame = as_frame(pictured_face(128))
    first, again, other = (send(frame, FACE, 64, "vp8-250k", seed) for seed in (1, 1, 2))
    assert np.array_equal(first.frame.y, again.frame.y)
    assert not np.array_equal(first.frame.y, other.frame.y)


def test_a_picture_larger_than_the_frame_is_cut_off():
    sent = send(as_frame(pictured_face(512)), Box(230, 230, 280, 280), 200, "h264-600k", seed=1)
    assert sent.shown == Box(0, 0, WIDTH, HEIGHT)


def test_full_range_pictures_keep_their_brightness():
    levels = np.full((64, 64), 255, np.uint8)
    grey = np.full((32, 32), 128, np.uint8)
    white = VideoFrame(levels, grey, grey, 0, 0, 0, full_range=True)
    sent = send(white, Box(0, 0, 64, 64), 96, "vp8-600k", seed=1).picture()
    assert not sent.full_range
    assert abs(float(sent.y[30:60, 30:60].mean()) - 235) < 4


def test_a_margin_mirrors_and_a_cut_takes_it_off_again():
    frame = replace(as_frame(pictured_face(64)), pts=3.0)
    wider = padded(frame, 20)
    assert (wider.width, wider.u.shape) == (104, (52, 52))
    back = cut_frame(wider, Box(20, 20, 84, 84))
    assert np.array_equal(back.y, frame.y)
    assert np.array_equal(back.v, frame.v)
    assert np.array_equal(wider.y[19], wider.y[20])


def test_no_codec_is_nothing_to_send_through():
    with pytest.raises(MediaError, match="'none'"):
        send(as_frame(pictured_face(64)), FACE, 96, "none", seed=1)
