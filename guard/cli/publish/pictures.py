"""What a caller shows: the pictures of a file or a camera, in time and at a size that can be sent."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count

import cv2
import numpy as np

from guard.core.geometry import even_size
from guard.core.types import Plane, VideoFrame
from guard.media.live import names_camera, open_live, without_credentials
from guard.media.sources import Clip, open_clip

STILL_FPS = 10.0
"""A picture file is sent so often."""

MOST_PIXELS = 1280 * 720
"""Larger pictures are scaled down to about this."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pictures:
    """A source that was found to hold pictures."""

    title: str
    size: Size
    fps: float
    frames: Iterator[VideoFrame]
    """Of any size; ``pts`` from 0 in real time."""
    note: str = ""
    """What the person who sends them should know."""


def open_pictures(source: str, stopping: threading.Event, *, loop: bool) -> Pictures:
    """Look into a file, or at a camera until ``stopping``; raise MediaError where no picture is. Blocks."""
    if names_camera(source):
        live = open_live(source, time.monotonic, stopping)
        size = even_size(live.width, live.height, MOST_PIXELS)
        return Pictures(without_credentials(source), size, live.fps, live.frames())
    clip = open_clip(source)
    frames = still(clip) if clip.still else endless(clip) if loop else clip.frames()
    fps = STILL_FPS if clip.still else clip.fps
    return Pictures(clip.path.name, even_size(clip.width, clip.height, MOST_PIXELS), fps, frames)


def still(clip: Clip) -> Iterator[VideoFrame]:
    """The one picture of a file, ten times a second for ever."""
    with closing(clip.frames()) as frames:
        frame = next(frames)  # a file may hold more: those behind the first are not shown
    for number in count():
        yield replace(frame, pts=number / STILL_FPS)


def endless(clip: Clip) -> Iterator[VideoFrame]:
    """The clip again and again, in one time."""
    began = 0.0
    while True:
        newest = 0.0
        for frame in clip.frames():
            newest = frame.pts
            yield replace(frame, pts=began + newest)
        began += newest + 1.0 / clip.fps


def scaled(frame: VideoFrame, size: Size) -> VideoFrame:
    """The frame in this size, which has even sides."""
    if (frame.width, frame.height) == size:
        return frame
    half = (size[0] // 2, size[1] // 2)
    return replace(frame, y=_plane(frame.y, size), u=_plane(frame.u, half), v=_plane(frame.v, half))


def _plane(plane: Plane, size: Size) -> Plane:
    return np.asarray(cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA), np.uint8)
