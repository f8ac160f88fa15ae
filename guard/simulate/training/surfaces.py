"""The sheet or display that is held to the camera: how it lies in view, how it bends, where it ends.

A surface has a picture of its own, as large as the camera's. Every camera pixel knows which point (u, v) of
the surface it sees; what is periodic on the surface is drawn at these points, so that it meets the camera's
pixels as it would in life.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.pictures import Mask, Picture, Points, chance, to_mask

Plane = NDArray[np.float32]
"""float32 (height, width): one value for each camera pixel."""

_STEEPEST = 0.16
_ROUNDS = 4


class Bend(NamedTuple):
    """A sheet bent about a line through the face, as a hand bends paper."""

    angle: float = 0.0
    """Of the line, radians."""
    fold: float = 0.0
    """How much is foreshortened one face away from the line."""
    depth: float = 0.0
    """How much nearer (above 0) or farther the sheet is there: this curves its edges."""


FLAT = Bend()


class Rect(NamedTuple):
    """An upright rectangle on the surface, px of its picture, with rounded corners."""

    left: float
    top: float
    right: float
    bottom: float
    radius: float = 0.0

    def shrunk(self, pixels: float) -> "Rect":
        """The rectangle with each side moved inwards."""
        radius = max(0.0, self.radius - pixels)
        return Rect(self.left + pixels, self.top + pixels, self.right - pixels, self.bottom - pixels, radius)


@dataclass(frozen=True, slots=True)
class Surface:
    """A surface in view: the point u, v (px of its picture) that each camera pixel sees."""

    u: Plane
    v: Plane
    across: Plane
    """Distance of each camera pixel from the line of the bend, in faces, signed."""
    onto: NDArray[np.float64]
    """Homography from the flat surface to the camera."""
    centre: tuple[float, float]
    face_px: float
    bend: Bend

    def seen(self, picture: Picture) -> Picture:
        """The surface's picture as the camera sees it, reflected beyond its borders."""
        return np.asarray(
            cv2.remap(picture, self.u, self.v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), np.uint8
        )

    def moved(self, points: Points) -> NDArray[np.float32]:
        """Where points of the surface's picture, (n, 2 or more), stand in the camera's: float32 (n, 2)."""
        wanted = np.asarray(points[:, :2], np.float64)
        flat = wanted
        for _ in range(_ROUNDS):
            s, t = flat.astype(np.float32).T
            u, v, _across = _bent(s, t, self.centre, self.face_px, self.bend)
            flat = flat + wanted - np.column_stack([u, v])
        placed = np.column_stack([flat, np.ones(len(flat))]) @ self.onto.T
        return (placed[:, :2] / placed[:, 2:]).astype(np.float32)

    def share_inside(self, rect: Rect, softness_px: float = 1.0) -> Mask:
        """1 inside ``rect``, 0 outside, with an edge ``softness_px`` wide."""
        return to_mask(self.distance_inside(rect) / np.float32(softness_px) + np.float32(0.5))

    def distance_inside(self, rect: Rect) -> Plane:
        """Distance to the border of ``rect`` in px of the surface, positive inside."""
        half = (rect.right - rect.left) / 2, (rect.bottom - rect.top) / 2
        radius = np.float32(min(rect.radius, *half))
        x = np.abs(self.u - np.float32((rect.left + rect.right) / 2)) - np.float32(half[0]) + radius
        y = np.abs(self.v - np.float32((rect.top + rect.bottom) / 2)) - np.float32(half[1]) + radius
        outside = np.sqrt(np.square(np.maximum(x, 0)) + np.square(np.maximum(y, 0)))
        distance: Plane = radius - outside - np.minimum(np.maximum(x, y), 0)
        return distance


def hold(points: Points, shape: tuple[int, int], rng: np.random.Generator, *, paper: bool) -> Surface:
    """Hold a surface up so that the face at ``points`` stays about where it was; ``paper`` may be bent."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    centre = float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2
    face_px = float((high - low).max())
    bend = FLAT
    if paper and chance(rng, 0.5):
        angle = rng.choice([0.0, np.pi / 2]) + rng.uniform(-0.35, 0.35)
        bend = Bend(float(angle), float(rng.uniform(0.0, 0.12)), float(rng.uniform(-0.14, 0.14)))
    return laid(tilt(centre, face_px, rng), centre, face_px, shape, bend)


def tilt(centre: tuple[float, float], face_px: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A homography that turns and tilts a plane about the face, at random."""
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * face_px
    turn = np.deg2rad(rng.normal(0, 5))
    turned = square @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    nearer = 1 + square / face_px @ (rng.uniform(-_STEEPEST, _STEEPEST, 2) * rng.uniform(0, 1))
    placed = (turned * nearer[:, np.newaxis] + centre).astype(np.float32)
    return np.asarray(cv2.getPerspectiveTransform((square + centre).astype(np.float32), placed), np.float64)


def laid(
    onto: NDArray[np.float64],
    centre: tuple[float, float],
    face_px: float,
    shape: tuple[int, int],
    bend: Bend = FLAT,
) -> Surface:
    """The surface that ``onto`` places before a camera of ``shape`` (height, width)."""
    back = np.linalg.inv(onto).astype(np.float32)
    y, x = np.indices(shape, np.float32)
    below = 1 / (back[2, 0] * x + back[2, 1] * y + back[2, 2])
    s: Plane = (back[0, 0] * x + back[0, 1] * y + back[0, 2]) * below
    t: Plane = (back[1, 0] * x + back[1, 1] * y + back[1, 2]) * below
    return Surface(*_bent(s, t, centre, face_px, bend), onto, centre, face_px, bend)


def _bent(
    s: Plane, t: Plane, centre: tuple[float, float], face_px: float, bend: Bend
) -> tuple[Plane, Plane, Plane]:
    """Points of the flat plane to points of the bent sheet, and their distance from its line in faces."""
    cos, sin = np.float32(np.cos(bend.angle)), np.float32(np.sin(bend.angle))
    x, y = s - np.float32(centre[0]), t - np.float32(centre[1])
    along, off = x * cos + y * sin, y * cos - x * sin
    across = np.asarray(off / np.float32(face_px), np.float32)
    if bend.fold == 0 and bend.depth == 0:
        return s, t, across
    squared = np.square(across)
    off = off * (1 + np.float32(bend.fold) * squared)
    along = along * (1 - np.float32(bend.depth) * squared)
    u = along * cos - off * sin + np.float32(centre[0])
    v = along * sin + off * cos + np.float32(centre[1])
    return np.asarray(u, np.float32), np.asarray(v, np.float32), across
