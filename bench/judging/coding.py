"""What a call's codec leaves of a face: pasted over a moving background, coded, the last frame kept."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from guard.core.errors import MediaError
from guard.core.geometry import Box
from guard.core.types import Plane, VideoFrame
from guard.faces.pictures import as_frame
from guard.media.decode import Decoding
from guard.media.encode import VideoEncoder

WIDTH, HEIGHT, FPS, FRAMES = 640, 360, 30.0, 20
RUNGS: dict[str, tuple[str, int] | None] = {
    "none": None,
    "h264-600k": ("h264", 600_000),
    "vp8-600k": ("vp8", 600_000),
    "vp8-250k": ("vp8", 250_000),
}
"""Codec and bits a second of each rung, from the mildest on."""

SWAY_PX = 4
"""How far the pasted picture wanders from its place: a head is never still."""

BAND_PX = 16
"""So much of the picture is mirrored about it, so that no block mixes its edge with the background."""

MOST_PIXELS = 1920 * 1088
"""As in a call; codecs round sides up to whole blocks."""

DRIFT_PX = 64
"""Room for the background to move."""

BACKGROUNDS = 3
"""Different ones; which one a picture gets follows from its seed."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The last frame of a coded sequence, and where in it the picture lies."""

    frame: VideoFrame
    shown: Box
    """The picture as far as the frame holds it, even pixels."""
    face: Box
    """Where the face was pasted."""

    def picture(self) -> VideoFrame:
        """The pasted picture alone, without the background."""
        return cut_frame(self.frame, self.shown)


def cut_frame(frame: VideoFrame, box: Box) -> VideoFrame:
    """The part of a frame within a box of even corners; planes are views."""
    x1, y1, x2, y2 = (round(side) for side in box)
    luma = np.s_[y1:y2, x1:x2]
    chroma = np.s_[y1 // 2 : (y2 + 1) // 2, x1 // 2 : (x2 + 1) // 2]
    return replace(frame, y=frame.y[luma], u=frame.u[chroma], v=frame.v[chroma])


def padded(frame: VideoFrame, margin: int) -> VideoFrame:
    """A frame mirrored beyond its edges by an even ``margin`` px: a tight crop gets room about the face."""

    def wider(plane: Plane, by: int) -> Plane:
        return np.asarray(cv2.copyMakeBorder(plane, by, by, by, by, cv2.BORDER_REFLECT), np.uint8)

    half = margin // 2
    return replace(frame, y=wider(frame.y, margin), u=wider(frame.u, half), v=wider(frame.v, half))


def send(frame: VideoFrame, face: Box, face_px: int, rung: str, seed: int) -> Sent:
    """Scale a picture so that ``face`` measures ``face_px``, paste it into a call, and code that.

    The middle of the face lies in the middle of the frame; what does not fit is cut off. Raises MediaError
    where the codec gives no last frame.
    """
    chosen = RUNGS[rung]
    if chosen is None:
        msg = f"expected a rung with a codec, got {rung!r}"
        raise MediaError(msg)
    codec, bitrate = chosen
    scale = face_px / face.size
    small = _scaled(_limited(frame), scale)
    banded = padded(small, BAND_PX)
    x, y = face.centre
    left, top = _even(WIDTH / 2 - x * scale), _even(HEIGHT / 2 - y * scale)
    encoder = VideoEncoder(codec, WIDTH, HEIGHT, FPS, bitrate)
    decoding = Decoding(MOST_PIXELS)
    last: VideoFrame | None = None
    places = list(_places(left, top, seed))
    for scene, place in zip(_scenes(seed % BACKGROUNDS), places, strict=True):
        for unit in encoder.encode(_pasted(scene, banded, (place[0] - BAND_PX, place[1] - BAND_PX))):
            for picture in decoding.decode(unit) or ():
                last = decoding.frame(picture, scene.pts)
    if last is None or last.pts < (FRAMES - 1.5) / FPS:
        msg = f"{rung}: expected {FRAMES} frames back from the codec, the last one is missing"
        raise MediaError(msg)
    left, top = places[-1]
    shown = Box(left, top, left + small.width, top + small.height).clipped(WIDTH, HEIGHT)
    middle, half = (left + x * scale, top + y * scale), face_px / 2
    return Sent(last, shown, Box(middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half))


def _places(left: int, top: int, seed: int) -> Iterator[tuple[int, int]]:
    """The corner of the picture in each frame."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 2)
    for number in range(FRAMES):
        time = 2 * np.pi * number / FPS
        yield (
            left + _even(SWAY_PX * np.sin(0.9 * time + phase[0])),
            top + _even(SWAY_PX / 2 * np.sin(1.3 * time + phase[1])),
        )


def _pasted(scene: VideoFrame, picture: VideoFrame, place: tuple[int, int]) -> VideoFrame:
    y, u, v = scene.y.copy(), scene.u.copy(), scene.v.copy()
    left, top = place
    _paste(y, picture.y, left, top)
    _paste(u, picture.u, left // 2, top // 2)
    _paste(v, picture.v, left // 2, top // 2)
    return replace(scene, y=y, u=u, v=v)


def _paste(onto: Plane, plane: Plane, left: int, top: int) -> None:
    rows = slice(max(0, top), min(onto.shape[0], top + plane.shape[0]))
    columns = slice(max(0, left), min(onto.shape[1], left + plane.shape[1]))
    onto[rows, columns] = plane[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]


def _scaled(frame: VideoFrame, scale: float) -> VideoFrame:
    """A frame of even sides at another size; shrunk by area, else by cubic interpolation."""
    width, height = (max(2, _even(side * scale)) for side in (frame.width, frame.height))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC

    def resized(plane: Plane, size: tuple[int, int]) -> Plane:
        return np.asarray(cv2.resize(plane, size, interpolation=how), np.uint8)

    half = (width // 2, height // 2)
    return replace(
        frame, y=resized(frame.y, (width, height)), u=resized(frame.u, half), v=resized(frame.v, half)
    )


def _limited(frame: VideoFrame) -> VideoFrame:
    """In the range that encoders take: JPEG files use the whole of 0..255."""
    if not frame.full_range:
        return frame
    levels = np.arange(256)
    luma = np.rint(16 + levels * 219 / 255).astype(np.uint8)
    chroma = np.rint(128 + (levels - 128) * 224 / 255).astype(np.uint8)
    return replace(frame, y=luma[frame.y], u=chroma[frame.u], v=chroma[frame.v], full_range=False)


@lru_cache(maxsize=BACKGROUNDS)
def _scenes(seed: int) -> tuple[VideoFrame, ...]:
    """A drifting room of soft shapes with sensor noise."""
    rng = np.random.default_rng(seed)
    grey = rng.integers(60, 190, (9, 16, 1))
    coarse = (grey + rng.integers(-12, 13, (9, 16, 3))).astype(np.uint8)
    size = WIDTH + DRIFT_PX, HEIGHT + DRIFT_PX
    room = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return tuple(_scene(room, rng, number) for number in range(FRAMES))


def _scene(room: np.ndarray, rng: np.random.Generator, number: int) -> VideoFrame:
    by = 2 * number % DRIFT_PX
    seen = room[by : by + HEIGHT, by : by + WIDTH] + rng.normal(0, 2.5, (HEIGHT, WIDTH, 1))
    picture = np.clip(seen, 0, 255).astype(np.uint8)
    return as_frame(picture, number / FPS)


def _even(value: float) -> int:
    return 2 * round(value / 2)
