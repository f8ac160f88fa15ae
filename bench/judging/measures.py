"""What can be measured on a face without a net: skin, light, and what a shortcut would live on."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engines._shared import shortcuts
from guard.core.geometry import bounding_box
from guard.core.types import FaceView, Picture
from guard.faces.pictures import cut_square

FEATURES: Final = (*shortcuts.MEASURES, "log size")
"""What the crop gives away, and the face's size in the frame."""

FEATURE_PX = 96
FEATURE_SCALE = 1.0

_CHEEKS: Final = (
    (50, 118, 101, 36, 205),
    (280, 347, 330, 266, 425),
)
"""Patches of the mesh between eye, nose and mouth corner, left and right."""

LEAST_PIXELS = 20
"""A cheek of fewer pixels is not measured."""


def feature_row(face: FaceView) -> NDArray[np.float64]:
    """``FEATURES`` of one face."""
    crop = shortcuts.measured(face.crop(FEATURE_SCALE, FEATURE_PX))
    return np.append(crop, np.log(max(face.quality.size_px, 1.0)))


def skin_ita(face: FaceView) -> float | None:
    """Individual typology angle of the cheeks, degrees: large for light skin, negative for dark.

    After Chardon et al. (1991): atan((L* - 50) / b*) of the median colour, CIE Lab, D65. Camera and light are
    in it too. None where the cheeks are too small or outside the frame, or as in ``ita``.
    """
    points = face.points_px()
    square = bounding_box(points).square()
    size = max(16, min(256, round(square.size)))
    scale = size / square.size
    picture = cut_square(face.frame, square, size)
    local = (points - np.array([square.x1, square.y1], np.float32)) * scale
    skin = np.concatenate([_inside(picture, local[list(cheek)]) for cheek in _CHEEKS])
    return ita(np.median(skin, axis=0)) if len(skin) >= LEAST_PIXELS else None


def ita(rgb: NDArray[np.floating]) -> float | None:
    """The angle of one sRGB colour, 0..255; None of one that is not yellowish: it means nothing there."""
    lab = np.asarray(cv2.cvtColor(np.asarray(rgb, np.float32).reshape(1, 1, 3) / 255, cv2.COLOR_RGB2LAB))
    lightness, _, yellow = (float(value) for value in lab.reshape(3))
    return float(np.degrees(np.arctan2(lightness - 50, yellow))) if yellow > 0 else None


def _inside(picture: Picture, corners: NDArray[np.float32]) -> NDArray[np.uint8]:
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(cv2.convexHull(corners)).astype(np.int32), 1)
    return picture[mask > 0]
