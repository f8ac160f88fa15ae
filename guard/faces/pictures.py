"""RGB pictures cut from YUV planes: the small one that faces are found on, and square crops about a face.

The full frame is never converted: planes are cut and scaled first, colours come last, on few pixels. The way
back, ``as_frame``, is for pictures made here.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from guard.core.geometry import Box
from guard.core.types import Picture, Plane, VideoFrame
from guard.core.units import Seconds
from guard.faces.libraries import needing_system_libraries

with needing_system_libraries("OpenCV"):
    import cv2

RED_OF_CR: Final = 1.402
GREEN_OF_CB: Final = -0.344136
GREEN_OF_CR: Final = -0.714136
BLUE_OF_CB: Final = 1.772
"""ITU-R BT.601 with full-range luma and chroma."""


def _rgb_of_yuv(luma_gain: float, chroma_gain: float, black: float) -> NDArray[np.float32]:
    """A 3x4 matrix from (Y, U, V, 1) to (R, G, B) in 8-bit units."""
    colours = np.array(
        [
            [luma_gain, 0.0, RED_OF_CR * chroma_gain],
            [luma_gain, GREEN_OF_CB * chroma_gain, GREEN_OF_CR * chroma_gain],
            [luma_gain, BLUE_OF_CB * chroma_gain, 0.0],
        ]
    )
    zero = colours @ np.array([black, 128.0, 128.0])
    return np.hstack([colours, -zero[:, None]]).astype(np.float32)


LIMITED: Final = _rgb_of_yuv(255 / 219, 255 / 224, 16.0)
FULL: Final = _rgb_of_yuv(1.0, 1.0, 0.0)


def as_frame(picture: Picture, at: Seconds = 0.0) -> VideoFrame:
    """An RGB picture with even sides as a frame of the limited range, taken at ``at``."""
    height, width = picture.shape[:2]
    planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)
    u, v = planes[height:].reshape(2, height // 2, width // 2)
    return VideoFrame(planes[:height], u, v, pts=at, arrived_at=at, decoded_at=at)


def small_picture(frame: VideoFrame, width: int) -> Picture:
    """The whole frame in RGB, at most ``width`` columns wide, its shape kept."""
    scale = min(1.0, width / frame.width)
    size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
    return _coloured(frame, (frame.y, frame.u, frame.v), size)


def even_square(box: Box) -> Box:
    """The square about ``box`` moved to whole chroma samples, so by at most 1 px a side."""
    square = box.square()
    side = max(2, 2 * round(square.size / 2))
    x, y = 2 * round(square.x1 / 2), 2 * round(square.y1 / 2)
    return Box(x, y, x + side, y + side)


def cut_square(frame: VideoFrame, box: Box, size: int) -> Picture:
    """The even square about ``box`` in RGB, uint8 (size, size, 3); the frame is mirrored beyond its edges."""
    square = even_square(box)
    x, y, side = int(square.x1), int(square.y1), int(square.size)
    luma = _cut(frame.y, x, y, side)
    chroma = (_cut(plane, x // 2, y // 2, side // 2) for plane in (frame.u, frame.v))
    return _coloured(frame, (luma, *chroma), (size, size))


def cut_inside(frame: VideoFrame, box: Box, size: int) -> Picture:
    """A box inside the frame, moved to whole chroma samples, squeezed to RGB, uint8 (size, size, 3)."""
    x1, y1 = 2 * int(box.x1 / 2), 2 * int(box.y1 / 2)
    x2, y2 = (max(start + 2, 2 * round(end / 2)) for start, end in ((x1, box.x2), (y1, box.y2)))
    luma = frame.y[y1:y2, x1:x2]
    chroma = (plane[y1 // 2 : y2 // 2, x1 // 2 : x2 // 2] for plane in (frame.u, frame.v))
    return _coloured(frame, (luma, *chroma), (size, size))


def face_luma(frame: VideoFrame, box: Box, size: int) -> Plane:
    """The luma within ``box``, stretched to uint8 (size, size); what lies outside the frame is left out."""
    inner = box.clipped(frame.width, frame.height)
    x1, y1 = int(inner.x1), int(inner.y1)
    plane = frame.y[y1 : max(y1 + 1, int(inner.y2)), x1 : max(x1 + 1, int(inner.x2))]
    return _scaled(plane, (size, size)) if plane.size else np.zeros((size, size), np.uint8)


def laplacian_variance(luma: Plane) -> float:
    """Variance of the Laplacian, 8-bit units squared: high where edges are sharp."""
    return float(cv2.Laplacian(luma, cv2.CV_32F).var())


def _cut(plane: Plane, x: int, y: int, side: int) -> Plane:
    y1, y2, top, bottom = _span(y, side, plane.shape[0])
    x1, x2, left, right = _span(x, side, plane.shape[1])
    inner = plane[y1:y2, x1:x2]
    if inner.shape == (side, side):
        return inner
    return np.asarray(cv2.copyMakeBorder(inner, top, bottom, left, right, cv2.BORDER_REFLECT), np.uint8)


def _span(start: int, length: int, end: int) -> tuple[int, int, int, int]:
    """First and past-last sample inside 0..``end`` (one at least), and how many miss before and after."""
    first = min(max(start, 0), end - 1)
    last = max(min(start + length, end), first + 1)
    before = min(first - min(start, first), length - 1)
    return first, last, before, length - before - (last - first)


def _scaled(plane: Plane, size: tuple[int, int]) -> Plane:
    if plane.shape == (size[1], size[0]):
        return plane
    shrinks = plane.shape[1] > size[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(plane, size, interpolation=how), np.uint8)


def _coloured(frame: VideoFrame, planes: tuple[Plane, ...], size: tuple[int, int]) -> Picture:
    yuv = cv2.merge([_scaled(plane, size) for plane in planes])
    return np.asarray(cv2.transform(yuv, FULL if frame.full_range else LIMITED), np.uint8)
