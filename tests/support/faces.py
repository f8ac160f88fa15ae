"""Drawn faces: pictures and landmarks that belong to nobody."""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.types import LANDMARKS, Picture

_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)


def drawn_points(centre: tuple[float, float], height: float, mouth: float = 0.0) -> NDArray[np.float32]:
    """Landmarks, float32 (478, 2) px: outline and lips in their places, the rest spread over the face.

    ``mouth`` is the opening as a share of the height.
    """
    spread = np.arange(LANDMARKS)
    radius = 0.9 * np.sqrt((spread + 0.5) / LANDMARKS)
    turn = spread * np.pi * (3 - np.sqrt(5))
    points = np.column_stack([radius * np.cos(turn) * 0.4, radius * np.sin(turn) * 0.5])
    around = np.linspace(-np.pi / 2, 1.5 * np.pi, len(_OVAL), endpoint=False)
    points[list(_OVAL)] = np.column_stack([np.cos(around) * 0.4, np.sin(around) * 0.5])
    around = np.linspace(-np.pi, np.pi, len(_INNER_LIPS), endpoint=False)
    opening = max(mouth, 0.01) / 2
    points[list(_INNER_LIPS)] = np.column_stack([np.cos(around) * 0.12, 0.25 - np.sin(around) * opening])
    return np.asarray(points * height + np.array(centre), np.float32)


def drawn_face(
    size: tuple[int, int], centre: tuple[int, int], height: int, skin: tuple[int, int, int]
) -> Picture:
    """A face of ellipses before a striped wall, RGB (height, width, 3); ``size`` is (width, height)."""
    wall = np.tile(np.linspace(40, 200, size[0], dtype=np.uint8)[None, :, None], (size[1], 1, 3))
    x, y = centre
    cv2.ellipse(wall, centre, (round(height * 0.4), height // 2), 0, 0, 360, skin, cv2.FILLED)
    for side in (-1, 1):
        eye = x + side * round(height * 0.17), y - round(height * 0.1)
        cv2.ellipse(wall, eye, (height // 14, height // 24), 0, 0, 360, (250, 250, 250), cv2.FILLED)
        cv2.circle(wall, eye, max(1, height // 30), (60, 40, 20), cv2.FILLED)
    mouth = x, y + height // 4
    cv2.ellipse(wall, mouth, (round(height * 0.12), height // 30), 0, 0, 360, (170, 60, 60), cv2.FILLED)
    return wall
