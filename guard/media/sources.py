"""Clip and picture files to frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from guard.core.errors import MediaError
from guard.core.types import VideoFrame
from guard.media.frames import frame_of

STILL_FPS = 1.0


@dataclass(frozen=True, slots=True)
class Clip:
    """A video or a picture file that was found to hold pictures."""

    path: Path
    width: int
    height: int
    fps: float
    """Mean frame rate; 1 for a still picture."""
    still: bool
    """Whether the file holds one picture only."""

    def frames(self) -> Iterator[VideoFrame]:
        """Decode the file from its beginning; ``pts`` starts at 0, and so do arrival and decoding times.

        Raises MediaError where the file breaks. Planes are views that live as long as their frame.
        """
        with _opened(self.path) as container:
            yield from _frames(self.path, container)


def open_clip(path: Path | str) -> Clip:
    """Look into a file; raise MediaError unless pictures can be read from it."""
    path = Path(path)
    with _opened(path) as container:
        stream = _video_stream(path, container)
        rate = stream.average_rate or stream.guessed_rate
        still = (
            stream.frames == 1 or container.format.name.endswith("_pipe") or container.format.name == "image2"
        )
        fps = STILL_FPS if still or not rate else float(rate)
        first = next(_frames(path, container), None)
    if first is None:
        raise MediaError(_text(path, "at least one picture", "none"))
    return Clip(path, first.width, first.height, fps, still)


def _opened(path: Path) -> InputContainer:
    try:
        return av.open(str(path))
    except (OSError, av.FFmpegError) as error:
        raise MediaError(_text(path, "a video or picture file", str(error))) from error


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise MediaError(_text(path, "a video track", "none"))
    return container.streams.video[0]


def _frames(path: Path, container: InputContainer) -> Iterator[VideoFrame]:
    stream = _video_stream(path, container)
    stream.thread_count = 1
    first: float | None = None
    try:
        for number, picture in enumerate(container.decode(stream)):
            time = float(number) if picture.pts is None else picture.time
            first = time if first is None else first
            yield frame_of(picture, pts=time - first, arrived_at=time - first, decoded_at=time - first)
    except av.FFmpegError as error:
        raise MediaError(_text(path, "a file that can be decoded to its end", str(error))) from error


def _text(path: Path, expected: str, got: str) -> str:
    return f"{path}: expected {expected}, got {got}; give a file that ffprobe can read"
