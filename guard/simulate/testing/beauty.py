"""Bona fide species: a beauty filter as calls offer it: smooth skin, eyes and jaw reshaped a little."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.types import Picture
from guard.simulate.testing.lattice import Lattice, laid, looked_up, window_about
from guard.simulate.testing.material import Points
from guard.simulate.testing.mesh import BROWS, CHIN, JAW, LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE

_SMALLEST_PX = 36
"""Side of the window about the face, margins and all; a smaller one is left as it is."""

_FINE_PX = 160
"""A larger face is reshaped on a coarser lattice."""

_MARGIN = 0.25
"""Of the window about the face, in heights of it."""


@dataclass(frozen=True, slots=True)
class Taste:
    """How much is done."""

    smooth: float = 0.75
    """Share of the smoothed skin, 0..1."""
    tone: float = 1.05
    """Brightness of the skin over what it was."""
    eyes: float = 0.07
    """Enlargement of the eyes, a share."""
    jaw: float = 0.03
    """How far the jaw moves in, in heights of the face."""


class BeautyFilter:
    """Retouches the face of each frame handed in; keeps nothing from frame to frame."""

    def __init__(self, taste: Taste | None = None) -> None:
        self._taste = taste or Taste()

    def apply(self, picture: Picture, points: Points) -> Picture:
        """A new picture; ``points`` are its landmarks, float32 (478, 2) px."""
        window = window_about(picture, points, _MARGIN, _SMALLEST_PX)
        result = picture.copy()
        if window is not None:
            local = points - np.array([window[1].start, window[0].start], np.float32)
            cut = np.ascontiguousarray(picture[window])
            result[window] = self._reshaped(self._smoothed(cut, local), local)
        return result

    def _smoothed(self, cut: Picture, points: Points) -> Picture:
        """Even skin of one tone; its edges, eyes, brows and lips stay."""
        height = float(np.ptp(points[:, 1]))
        half = cv2.resize(cut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        even = cv2.bilateralFilter(half, 5, 32, 0.02 * height)
        even = cv2.resize(even, (cut.shape[1], cut.shape[0]), interpolation=cv2.INTER_LINEAR)
        bright = cv2.convertScaleAbs(even, alpha=self._taste.tone)
        skin = _skin(points / np.float32(2), (half.shape[0], half.shape[1]), height / 2)
        share = self._taste.smooth * np.asarray(cv2.resize(skin, (cut.shape[1], cut.shape[0])))
        return laid(np.asarray(bright, np.uint8), cut, share)

    def _reshaped(self, cut: Picture, points: Points) -> Picture:
        """Eyes a little larger, jaw a little narrower; nothing moves at the window's border."""
        height = float(np.ptp(points[:, 1]))
        lattice = Lattice((cut.shape[1], cut.shape[0]), 4 if height < _FINE_PX else 8)
        at = lattice.points
        where = at.copy()
        for eye in (RIGHT_EYE, LEFT_EYE):
            away = at - points[list(eye)].mean(axis=0)
            where -= self._taste.eyes * away * _bump(away, 0.11 * height)
        middle = points[list(OVAL)].mean(axis=0)
        for number in JAW[1:-1:3]:
            inwards = _unit(middle - points[number])
            depth = 0.0 if number == CHIN else self._taste.jaw * height
            where -= inwards * (0.5 * depth) * _bump(at - points[number], 0.14 * height)
        return looked_up(cut, lattice.spread(where))


def _skin(points: Points, shape: tuple[int, int], height: float) -> NDArray[np.float32]:
    """Share of skin in each pixel."""
    mask = np.zeros(shape, np.float32)
    cv2.fillPoly(mask, [np.rint(points[list(OVAL)]).astype(np.int32)], 1.0)
    for part in (RIGHT_EYE, LEFT_EYE, OUTER_LIPS, BROWS[:8], BROWS[8:]):
        hull = cv2.convexHull(np.rint(points[list(part)]).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 0.0)
        cv2.polylines(mask, [hull], True, 0.0, max(1, round(0.02 * height)))  # noqa: FBT003 -- OpenCV's "closed"
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.02 * height), np.float32)


def _bump(away: NDArray[np.floating], radius: float) -> NDArray[np.float32]:
    """1 in the middle, nearly 0 from two radii on: (..., 1)."""
    square = (away**2).sum(axis=-1, keepdims=True)
    return np.asarray(np.exp(-square / (2 * radius**2)), np.float32)


def _unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(vector / max(float(np.hypot(*vector)), 1e-6), np.float32)
