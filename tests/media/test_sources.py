from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from guard.core.errors import MediaError
from guard.media.frames import picture_of
from guard.media.sources import open_clip
from tests.support.media import drawn_frames

pytestmark = pytest.mark.media


def write_clip(path: Path, count: int, size: tuple[int, int] = (160, 120), pixels: str = "yuv420p") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(drawn_frames(count, *size)):
            picture = picture_of(frame).reformat(format=pixels).reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_picture(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg" if path.suffix == ".jpg" else "png", rate=1)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if path.suffix == ".jpg" else "rgb24"
        picture = picture_of(next(drawn_frames(1, 64, 48))).reformat(format=stream.pix_fmt)
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def test_a_clip_is_read_to_its_end_as_often_as_wanted(tmp_path: Path):
    clip = open_clip(write_clip(tmp_path / "clip.mp4", 10))
    assert (clip.width, clip.height, clip.fps, clip.still) == (160, 120, 25.0, False)
    for _ in range(2):
        frames = list(clip.frames())
        assert [frame.pts for frame in frames] == pytest.approx([number / 25 for number in range(10)])
    for frame, drawn in zip(frames, drawn_frames(10), strict=True):
        assert np.abs(frame.y.astype(int) - drawn.y).mean() < 6


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_a_still_picture_is_one_frame(tmp_path: Path, name: str):
    clip = open_clip(write_picture(tmp_path / name))
    frames = list(clip.frames())
    assert clip.still
    assert [(frame.width, frame.height, frame.pts) for frame in frames] == [(64, 48, 0.0)]
    assert frames[0].full_range == name.endswith(".jpg")


def test_a_missing_file_is_named():
    with pytest.raises(
        MediaError, match=r"nowhere\.mp4: expected a video or picture file, got .*No such file"
    ):
        open_clip("nowhere.mp4")


def test_a_file_of_something_else_is_named(tmp_path: Path):
    path = tmp_path / "words.mp4"
    path.write_text("no video at all " * 100)
    with pytest.raises(MediaError, match=r"words\.mp4: expected a video or picture file"):
        open_clip(path)


def test_a_file_without_video_is_named(tmp_path: Path):
    path = tmp_path / "voice.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        sound.sample_rate = 16_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="expected a video track, got none"):
        open_clip(path)
