import gc
import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.core.errors import MediaError
from guard.media.sources import Reading, open_clip
from tests.support.clips import write_clip, write_empty_png, write_picture, write_sound
from tests.support.media import drawn_frames

pytestmark = pytest.mark.media


def test_a_clip_is_read_to_its_end_as_often_as_wanted(tmp_path: Path):
    clip = open_clip(write_clip(tmp_path / "clip.mp4", 10))
    assert (clip.width, clip.height, clip.fps, clip.still) == (160, 120, 25.0, False)
    for _ in range(2):
        frames = list(clip.frames())
        assert [frame.pts for frame in frames] == pytest.approx([number / 25 for number in range(10)])
    for frame, drawn in zip(frames, drawn_frames(10), strict=True):
        assert np.abs(frame.y.astype(int) - drawn.y).mean() < 6


def test_a_clip_tells_what_its_container_says(tmp_path: Path):
    clip = open_clip(write_clip(tmp_path / "clip.mp4", 10))
    assert (clip.container, clip.codec, clip.pixels) == ("mov,mp4,m4a,3gp,3g2,mj2", "mpeg4", "yuv420p")
    assert (clip.rotation, clip.duration, clip.audio_codec, clip.video_tracks) == (0, 0.4, None, 1)


def test_frames_that_are_not_wanted_are_decoded_and_left_out(tmp_path: Path):
    reading = Reading()
    frames = open_clip(write_clip(tmp_path / "clip.mp4", 10)).frames(lambda at: at >= 0.3, reading)
    assert [frame.pts for frame in frames] == pytest.approx([0.32, 0.36])
    assert (reading.frames, reading.seconds, reading.damaged, reading.broke_off) == (10, 0.36, 0, None)


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_a_still_picture_is_one_frame(tmp_path: Path, name: str):
    clip = open_clip(write_picture(tmp_path / name))
    frames = list(clip.frames())
    assert clip.still
    assert [(frame.width, frame.height, frame.pts) for frame in frames] == [(64, 48, 0.0)]
    assert frames[0].full_range == name.endswith(".jpg")


@pytest.mark.parametrize(
    ("pixels", "codec", "size"),
    [
        ("yuv420p10le", "libx264", (160, 120)),
        ("yuv422p", "libx264", (160, 120)),
        ("yuv444p", "libx264", (160, 120)),
        ("yuvj422p", "mjpeg", (160, 120)),
        ("yuvj444p", "mjpeg", (160, 120)),
        ("bgr0", "ffv1", (161, 121)),
        ("gray", "ffv1", (161, 121)),
        ("yuv420p", "ffv1", (161, 121)),
        ("yuv420p", "ffv1", (1, 1)),
    ],
)
def test_every_form_of_pixels_becomes_ours(tmp_path: Path, pixels: str, codec: str, size: tuple[int, int]):
    clip = open_clip(write_clip(tmp_path / "clip.mkv", 3, size, codec=codec, pixels=pixels))
    frames = list(clip.frames())
    assert len(frames) == 3
    assert not any(frame.full_range for frame in frames)
    for frame, drawn in zip(frames, drawn_frames(3, *size), strict=True):
        assert frame.y.shape == drawn.y.shape
        assert np.abs(frame.y.astype(int) - drawn.y).mean() < 6


@pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (-90, 3)])
def test_pictures_are_turned_as_the_phone_says(tmp_path: Path, degrees: int, quarters: int):
    path = write_clip(tmp_path / "phone.mp4", 2, (120, 80), rotation=degrees)
    clip = open_clip(path)
    assert (clip.width, clip.height) == ((120, 80) if quarters == 2 else (80, 120))
    assert abs(clip.rotation) == abs(degrees)
    for frame, drawn in zip(clip.frames(), drawn_frames(2, 120, 80), strict=True):
        assert np.abs(frame.y.astype(int) - np.rot90(drawn.y, quarters)).mean() < 6
        assert frame.y.flags.c_contiguous


def test_pictures_are_given_up_at_once(tmp_path: Path):
    """In a reference cycle they would wait for the garbage collector, and a film would fill the memory."""
    clip = open_clip(write_clip(tmp_path / "phone.mp4", 50, rotation=90))
    gc.collect()
    for _ in clip.frames():
        pass
    assert gc.collect() == 0


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path):
    times = [0.0, 0.04, 0.5, 0.52, 3.0]
    clip = open_clip(write_clip(tmp_path / "clip.mkv", 5, times=times))
    assert [frame.pts for frame in clip.frames()] == pytest.approx(times)


def test_pictures_without_times_follow_each_other_at_the_usual_rate(tmp_path: Path):
    clip = open_clip(write_clip(tmp_path / "raw.h264", 5, codec="libx264", container="h264"))
    reading = Reading()
    assert [frame.pts for frame in clip.frames(reading=reading)] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])
    assert reading.mended_times == 4


def test_times_that_go_back_go_on_instead(tmp_path: Path):
    one = write_clip(tmp_path / "one.ts", 10, codec="libx264").read_bytes()
    twice = tmp_path / "twice.ts"
    twice.write_bytes(one + one)
    reading = Reading()
    times = [frame.pts for frame in open_clip(twice).frames(reading=reading)]
    assert len(times) == 20
    assert all(later - earlier == pytest.approx(0.04) for earlier, later in pairwise(times))
    assert reading.mended_times == 1


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path):
    whole = write_clip(tmp_path / "whole.mkv", 100, codec="libx264").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    reading = Reading()
    frames = list(open_clip(cut).frames(reading=reading))
    assert 10 < len(frames) < 90
    assert reading.broke_off == "its container states 4.0 s"


LATE = [5.0 + number / 25 for number in range(75)]


@pytest.mark.parametrize(
    ("name", "made", "duration"),
    [
        ("short.webm", {"codec": "libvpx", "sound": 6.0}, 3.0),
        ("short.mkv", {"codec": "libx264", "sound": 6.0}, 3.0),
        ("short.mp4", {"sound": 6.0}, 3.0),
        ("late.mkv", {"codec": "libx264", "times": LATE, "sound": 8.0}, 3.0),
        ("late alone.mkv", {"codec": "libx264", "times": LATE}, 3.0),
        ("late.mp4", {"times": LATE}, 3.0),
        ("slow.mp4", {"count": 3, "fps": Fraction(1, 2)}, 6.0),
        ("slower.mkv", {"codec": "libx264", "count": 3, "fps": Fraction(1, 5)}, 15.0),
        ("last picture.mp4", {"count": 3, "times": [0.0, 0.04, 9.0]}, 9.04),
        ("variable.flv", {"codec": "flv", "times": LATE}, 3.0),
    ],
)
def test_a_whole_recording_is_not_said_to_break_off(
    tmp_path: Path, name: str, made: dict[str, Any], duration: float
):
    clip = open_clip(write_clip(tmp_path / name, **({"count": 75} | made)))
    reading = Reading()
    for _ in clip.frames(reading=reading):
        pass
    assert clip.duration == pytest.approx(duration, abs=0.05)
    assert reading.broke_off is None


@pytest.mark.parametrize("times", [None, [5.0 + number / 25 for number in range(100)]])
def test_a_recording_with_sound_that_was_cut_off_is_told(tmp_path: Path, times: list[float] | None):
    whole = write_clip(tmp_path / "whole.mkv", 100, codec="libx264", times=times, sound=2.0).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: 2 * len(whole) // 3])
    reading = Reading()
    for _ in open_clip(cut).frames(reading=reading):
        pass
    assert reading.broke_off == "its container states 4.0 s"


def test_a_track_without_a_length_of_its_own_is_trusted(tmp_path: Path):
    path = write_clip(tmp_path / "clip.mkv", 75, codec="libx264", sound=6.0)
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"OTHERTAG"))
    clip, reading = open_clip(path), Reading()
    for _ in clip.frames(reading=reading):
        pass
    assert (clip.duration, reading.broke_off) == (None, None)


def test_damaged_pictures_are_left_out_and_counted(tmp_path: Path):
    path = write_clip(tmp_path / "clip.mkv", 50, codec="libx264")
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 3, len(content) - 500, 97):
        content[place] ^= 0x55
    path.write_bytes(content)
    reading = Reading()
    frames = list(open_clip(path).frames(reading=reading))
    assert reading.damaged > 0
    assert 0 < len(frames) == reading.frames < 50


def test_too_large_pictures_are_refused_in_words(tmp_path: Path):
    path = write_clip(tmp_path / "clip.mp4", 2, (640, 360))
    assert open_clip(path, max_pixels=640 * 360).width == 640
    with pytest.raises(MediaError, match=r"at most 230399 pixels, got 640 x 360; raise media\.max_pixels"):
        open_clip(path, max_pixels=640 * 360 - 1)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("clip.mp4", "libx264"), ("clip.mkv", "libx264"), ("clip.ts", "libx264"), ("clip.webm", "libvpx")],
)
def test_far_too_large_pictures_are_refused_in_the_same_words(tmp_path: Path, name: str, codec: str):
    path = write_clip(tmp_path / name, 2, (640, 360), codec=codec)
    with pytest.raises(MediaError, match="at most 1000 pixels, got 640 x 360; raise"):
        open_clip(path, max_pixels=1000)


LOOK = """
import re, sys
from guard.core.errors import MediaError
from guard.media.sources import open_clip

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024

open_clip(sys.argv[1], 1000)
before = peak()
try:
    open_clip(sys.argv[2], 1920 * 1088)
except MediaError as error:
    print(peak() - before, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is asked of Linux")
def test_a_small_file_of_a_huge_picture_is_refused_before_it_takes_memory(tmp_path: Path):
    small, huge = write_empty_png(tmp_path / "small.png", 10, 10), tmp_path / "huge.png"
    write_empty_png(huge, 12_000, 12_000)  # 144 MB of pixels in 140 kB
    said = subprocess.run(
        [sys.executable, "-c", LOOK, small, huge], capture_output=True, text=True, check=True
    ).stdout
    taken, _, words = said.partition(" ")
    assert int(taken) < 20
    assert (
        "huge.png: expected at least one picture of at most 2088960 pixels (media.max_pixels), got none"
        in words
    )


def test_a_missing_file_is_named():
    with pytest.raises(
        MediaError, match=r"nowhere\.mp4: expected a video or picture file, got .*No such file"
    ):
        open_clip("nowhere.mp4")


@pytest.mark.parametrize("content", ["", "no video at all " * 100])
def test_a_file_of_something_else_is_named(tmp_path: Path, content: str):
    path = tmp_path / "words.mp4"
    path.write_text(content)
    with pytest.raises(MediaError, match=r"words\.mp4: expected a video or picture file, got Invalid data"):
        open_clip(path)


def test_a_file_without_video_is_named(tmp_path: Path):
    with pytest.raises(MediaError, match="expected a video track, got none"):
        open_clip(write_sound(tmp_path / "voice.wav"))


def test_what_is_no_regular_file_is_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path, tmp_path / "pipe.mp4"):
        with pytest.raises(MediaError, match="expected a regular file"):
            open_clip(path)


def test_a_name_that_is_a_pattern_names_one_file(tmp_path: Path):
    write_picture(tmp_path / "frame1.png")
    with pytest.raises(MediaError, match="No such file"):
        open_clip(tmp_path / "frame%d.png")


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{clip}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{clip}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5555 RTP/AVP 34\n",
    ],
)
def test_a_file_opens_no_other_file_and_no_socket(tmp_path: Path, playlist: str):
    clip = write_clip(tmp_path / "clip.ts", 10, codec="libx264")
    path = tmp_path / "list.mp4"
    path.write_text(playlist.format(clip=clip))
    with pytest.raises(MediaError):
        open_clip(path)
