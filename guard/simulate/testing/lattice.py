"""Shared by warps: maps worked out on few points, looked up at every pixel, laid over a part of a picture."""

from math import ceil, floor
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.geometry import bounding_box
from guard.core.types import Picture

_Plane = TypeVar("_Plane", NDArray[np.uint8], NDArray[np.float32])


class Lattice:
    """Few points spread over a frame and a little beyond: smooth maps are cheap to work out there."""

    def __init__(self, size: tuple[int, int], step: int = 8) -> None:
        self._size = size
        self._step = step
        columns, rows = (-(-side // step) + 2 for side in size)
        x, y = ((np.arange(n) - 0.5) * step - 0.5 for n in (columns, rows))
        self.points = np.stack(np.meshgrid(x, y), axis=2).astype(np.float32)
        """(rows, columns, 2): x and y, px of the frame."""

    def spread(self, coarse: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values on the lattice, (rows, columns) or (rows, columns, n), at every pixel of the frame."""
        size = coarse.shape[1] * self._step, coarse.shape[0] * self._step
        whole = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.float32)
        width, height = self._size
        return whole[self._step : self._step + height, self._step : self._step + width]

    def at(self, coarse: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values on the lattice, looked up at points (rows, columns, 2), px of the frame."""
        where = (points + np.float32(0.5)) / np.float32(self._step) + np.float32(0.5)
        return looked_up(coarse, where)


def looked_up(source: _Plane, where: NDArray[np.float32], border: int = cv2.BORDER_REPLICATE) -> _Plane:
    """The source at places float32 (height, width, 2), x and y px; ``border``: what OpenCV takes outside."""
    places = np.ascontiguousarray(where)
    found = cv2.remap(source, places, None, cv2.INTER_LINEAR, borderMode=border)  # type: ignore[call-overload]  # its stubs know no None
    return np.asarray(found, source.dtype)


def laid(front: Picture, back: Picture, share: NDArray[np.float32]) -> Picture:
    """``front`` before ``back`` where ``share``, float32 (height, width), is 1."""
    return np.asarray(cv2.blendLinear(front, back, share, 1 - share), np.uint8)


def apply_homography(matrix: NDArray[np.floating], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where a homography puts points float32 (rows, columns, 2)."""
    return np.asarray(cv2.perspectiveTransform(points, matrix), np.float32)


def window_about(
    picture: Picture, points: NDArray[np.float32], margin: float, smallest: int
) -> tuple[slice, slice] | None:
    """Rows and columns of a picture about points (n, 2), with a ``margin`` in heights of them.

    None where fewer than ``smallest`` px of a side lie in the picture.
    """
    box = bounding_box(points)
    beside = margin * box.height
    rows, columns = picture.shape[:2]
    left, top = max(0, floor(box.x1 - beside)), max(0, floor(box.y1 - beside))
    right, bottom = min(columns, ceil(box.x2 + beside)), min(rows, ceil(box.y2 + beside))
    if min(right - left, bottom - top) < smallest:
        return None
    return slice(top, bottom), slice(left, right)
