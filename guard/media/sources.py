"""Clip and picture files to frames: upright, in time that grows, within the policy."""

import os
import re
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from guard.core.errors import MediaError
from guard.core.types import Plane, VideoFrame
from guard.core.units import Seconds
from guard.media.frames import frame_of

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

STILL_FPS = 1.0
COMMON_FPS = 25.0
"""Taken where a file does not tell its frame rate."""

NO_OTHER_FILES = {"protocol_whitelist": "none"}
"""A playlist or a description of streams would have FFmpeg open files and addresses that nobody named."""

SHORT_BY: Seconds = 1.0
"""Pictures that end so long before the end of their track, and one picture more, were cut off."""

MATROSKA, FLASH = "matroska,webm", "flv"
"""Containers that state one length for all tracks. In Matroska a usual tag says when each ends."""

CLOCK = re.compile(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d{1,12})?)", re.ASCII)

Wanted: TypeAlias = Callable[[Seconds], bool]
"""Whether the frame at this media time is wanted; asked once for every decoded frame, in order."""


@dataclass(slots=True)
class Reading:
    """How the reading of a clip goes; it counts on while frames are taken."""

    frames: int = 0
    """Pictures decoded."""
    seconds: Seconds = 0.0
    """Media time of the last one."""
    damaged: int = 0
    """Packets that could not be decoded, and pictures that came out damaged: left out."""
    mended_times: int = 0
    """Pictures without a time, or with one that did not grow: put one frame after the one before."""
    broke_off: str | None = None
    """Why the file ends early, if it does."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A video or a picture file that was found to hold pictures."""

    path: Path
    width: int
    """Columns of the first picture, upright."""
    height: int
    """Rows of the first picture, upright."""
    fps: float
    """Mean frame rate; 1 for a still picture."""
    still: bool
    """Whether the file holds one picture only."""
    container: str
    """FFmpeg's name of the container format."""
    codec: str
    """FFmpeg's name of the video codec."""
    pixels: str
    """FFmpeg's name of the pixel format."""
    rotation: int
    """Degrees by which the pictures are turned anticlockwise to be upright."""
    duration: Seconds | None
    """Length of the video track as the container states it; None where it states that of all tracks only."""
    audio_codec: str | None
    video_tracks: int
    """How many there are; one is read."""
    max_pixels: int | None = None
    """Larger pictures are refused."""

    def frames(
        self, wanted: Wanted | None = None, reading: Reading | None = None
    ) -> Generator[VideoFrame, None, None]:
        """Decode the file from its beginning; ``pts`` starts at 0 and grows, and so do the other times.

        Every picture is decoded; those not ``wanted`` cost nothing further and are left out, and so are
        damaged ones. Planes are views that live as long as their frame. Where the file breaks, MediaError is
        raised after the last picture; with a ``reading`` that is noted there instead.
        """
        noted = Reading() if reading is None else reading
        ended: Seconds = 0.0
        with _opened(self.path, self.max_pixels) as container:
            stream = _video_stream(self.path, container, self.max_pixels)
            media_time = _MediaTime(1.0 / self.fps, noted)
            for picture in _pictures(container, stream, noted):
                at = media_time.of(picture)
                noted.frames += 1
                noted.seconds = at
                ended = at + _shown_for(picture, self.fps)
                if wanted is None or wanted(at):
                    yield _shown(self.path, picture, at)
        if noted.broke_off and reading is None:
            raise MediaError(_text(self.path, "a file that can be decoded to its end", noted.broke_off))
        if noted.broke_off is None and self.duration and self.duration - ended > SHORT_BY:
            noted.broke_off = f"its container states {self.duration:.1f} s"


def open_clip(path: Path | str, max_pixels: int | None = None) -> Clip:
    """Look into a file; raise MediaError unless pictures of ``max_pixels`` at most can be read from it."""
    path = Path(path)
    with _opened(path, max_pixels) as container:
        stream = _video_stream(path, container, max_pixels)
        rate = stream.average_rate or stream.guessed_rate
        still = stream.frames == 1 or container.format.name.endswith("_pipe")
        first = next(_pictures(container, stream, Reading()), None)
        if first is None:
            size = f" of at most {max_pixels} pixels (media.max_pixels)" if max_pixels else ""
            raise MediaError(_text(path, f"at least one picture{size}", "none"))
        shown = _shown(path, first, 0.0)
        sound = container.streams.best("audio")
        return Clip(
            path=path,
            width=shown.width,
            height=shown.height,
            fps=STILL_FPS if still else float(rate or COMMON_FPS),
            still=still,
            container=container.format.name,
            codec=stream.codec_context.name,
            pixels=first.format.name,
            rotation=first.rotation,
            duration=_duration(container, stream, begin=first.time or 0.0),
            audio_codec=sound.codec_context.name if isinstance(sound, AudioStream) else None,
            video_tracks=len(container.streams.video),
            max_pixels=max_pixels,
        )


def decoder_version() -> str:
    """The version of FFmpeg that decodes."""
    return str(av.ffmpeg_version_info)


class _MediaTime:
    """Times since the first picture that always grow, whatever the file says."""

    def __init__(self, step: Seconds, reading: Reading) -> None:
        self._step = step
        self._reading = reading
        self._last: Seconds | None = None
        self._begin: Seconds | None = None

    def of(self, picture: av.VideoFrame) -> Seconds:
        """The time of the next picture."""
        stamp = None if picture.pts is None or picture.time_base is None else float(picture.time)
        at = self._next(stamp)
        if stamp is not None:
            self._begin = stamp - at
        self._last = at
        return at

    def _next(self, stamp: Seconds | None) -> Seconds:
        if self._last is None:
            return 0.0
        if stamp is not None and self._begin is not None and stamp - self._begin > self._last:
            return stamp - self._begin
        self._reading.mended_times += 1
        return self._last + self._step


@contextmanager
def _opened(path: Path, max_pixels: int | None = None, **options: str) -> Iterator[InputContainer]:
    """The container in a regular file. FFmpeg is not told its name, in which it would read patterns.

    Opening may decode already; FFmpeg says no size of pictures that it refuses then.
    """
    with _open_regular(path) as file:
        chosen = NO_OTHER_FILES | _limit(max_pixels) | options
        try:
            container = av.open(file, "r", options=chosen, metadata_errors="replace")
        except (OSError, av.FFmpegError) as error:
            raise MediaError(_text(path, "a video or picture file", _why(error))) from error
        with container:
            yield container


def _open_regular(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer would wait for ever
    except OSError as error:
        raise MediaError(_text(path, "a video or picture file", _why(error))) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediaError(_text(path, "a regular file", "something else"))
    return os.fdopen(descriptor, "rb")


def _video_stream(path: Path, container: InputContainer, max_pixels: int | None) -> VideoStream:
    """The main video track, ready to be decoded in one thread; the cover picture of a song is none."""
    tracks = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    best = container.streams.best("video")
    tracks.sort(key=lambda one: best is None or one.index != best.index)
    if not tracks:
        raise MediaError(_text(path, "a video track", "none"))
    context: VideoCodecContext | None = tracks[0].codec_context
    if context is None:
        raise MediaError(_text(path, "a video codec that FFmpeg decodes", "another"))
    context.thread_count = 1
    if max_pixels is not None:
        width, height = context.width, context.height
        if not width * height:
            width, height = _stated_size(path, container.streams.video.index(tracks[0]))
        if width * height > max_pixels:
            raise MediaError(
                f"{path}: expected pictures of at most {max_pixels} pixels, got {width} x {height}; "
                f"raise media.max_pixels, or scale the video down"
            )
        context.options = _limit(max_pixels)  # for a size that changes in mid-file
    return tracks[0]


def _limit(max_pixels: int | None) -> dict[str, str]:
    """What keeps FFmpeg from larger pictures; twice as large, since decoders count whole blocks."""
    return {} if max_pixels is None else {"max_pixels": str(2 * max_pixels)}


def _stated_size(path: Path, track: int) -> tuple[int, int]:
    """Columns and rows as the container states them, where it does; nothing is decoded."""
    with _opened(path, codec_whitelist="none") as container:
        context: VideoCodecContext | None = container.streams.video[track].codec_context
        return (0, 0) if context is None else (context.width, context.height)


def _pictures(container: InputContainer, stream: VideoStream, noted: Reading) -> Iterator[av.VideoFrame]:
    """Every sound picture in the order in which they are shown, decoded past damage as far as it goes."""
    for packet in _packets(container, stream, noted):
        try:
            pictures = packet.decode() if packet is not None else stream.decode(None)
        except av.FFmpegError:
            noted.damaged += 1
            continue
        for picture in pictures:
            if picture.is_corrupt:
                noted.damaged += 1
            else:
                yield picture


def _packets(
    container: InputContainer, stream: VideoStream, noted: Reading
) -> Iterator["av.Packet[VideoStream] | None"]:
    """The packets of the track; None in place of what lies behind a break, to get what the decoder holds."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        noted.broke_off = _why(error)
        yield None


def _duration(container: InputContainer, stream: VideoStream, begin: Seconds) -> Seconds | None:
    """What is stated of the track itself; of all tracks only where it is the only one."""
    matroska = container.format.name == MATROSKA
    stated: Seconds | None = None
    if matroska:
        stated = _clock_seconds(stream.metadata.get("DURATION", ""))
    elif container.format.name != FLASH and stream.duration and stream.time_base:
        stated = float(stream.duration * stream.time_base)
    if stated is None and len(container.streams) == 1 and container.duration:
        stated = container.duration / av.time_base
    return max(stated - begin, 0.0) if matroska and stated is not None else stated


def _clock_seconds(text: str) -> Seconds | None:
    """The seconds of a text such as 00:01:02.500000000."""
    found = CLOCK.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return 3600.0 * int(hours) + 60.0 * int(minutes) + float(seconds)


def _shown_for(picture: av.VideoFrame, fps: float) -> Seconds:
    """How long a picture is shown: at least as long as most."""
    stated = float(picture.duration * picture.time_base) if picture.duration and picture.time_base else 0.0
    return max(stated, 1.0 / fps)


def _shown(path: Path, picture: av.VideoFrame, at: Seconds) -> VideoFrame:
    """A picture as it is to be shown."""
    try:
        frame = frame_of(picture, pts=at, arrived_at=at, decoded_at=at)
    except av.FFmpegError as error:
        got = f"{picture.format.name} ({_why(error)})"
        raise MediaError(_text(path, "pictures that can be converted to YUV 4:2:0", got)) from error
    # Phones write how to turn their pictures in place of turning them. Looking at the matrix itself, which
    # would tell mirrored ones too, has PyAV 18 free the metadata of side data twice and keep every picture.
    return _upright(frame, round(picture.rotation / 90))


def _upright(frame: VideoFrame, quarters: int) -> VideoFrame:
    """The frame turned anticlockwise by quarter turns; copied where it is turned at all."""
    if quarters % 4 == 0:
        return frame

    def turned(plane: Plane) -> Plane:
        return np.ascontiguousarray(np.rot90(plane, quarters))

    return replace(frame, y=turned(frame.y), u=turned(frame.u), v=turned(frame.v))


def _why(error: OSError | av.FFmpegError) -> str:
    """What went wrong, without the descriptor that the system and FFmpeg name."""
    return error.strerror or type(error).__name__


def _text(path: Path, expected: str, got: str) -> str:
    return f"{path}: expected {expected}, got {got}; give a file that ffprobe can read"
