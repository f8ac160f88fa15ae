"""Shared by what is held to a camera: the hand's sway, the view of a plane, the room behind it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.types import Picture
from guard.core.units import Seconds
from guard.simulate.warp import Drift

FOCAL = 1.3
"""Focal length of the camera in heights of the output: a laptop's webcam."""


class Hand:
    """Where a hand holds something: sway and tremor."""

    def __init__(self, rng: np.random.Generator, strength: float = 1.0) -> None:
        sway = np.array((0.05, 0.04, 0.045, 0.05, 0.14, 0.10)) * strength
        tremor = np.array((0.0022, 0.0022, 0.002, 0.003, 0.01, 0.01)) * strength
        self._sway = Drift(rng, tuple(sway.tolist()), (0.08, 0.55))
        self._tremor = Drift(rng, tuple(tremor.tolist()), (4.0, 9.0))

    def at(self, time: Seconds) -> tuple[float, float, float, float, float, float]:
        """x, y (in heights of the sheet), change of distance (share), roll, yaw, pitch (radians)."""
        x, y, distance, roll, yaw, pitch = np.add(self._sway.at(time), self._tremor.at(time)).tolist()
        return x, y, distance, roll, yaw, pitch


def turn(roll: float, yaw: float, pitch: float) -> NDArray[np.float64]:
    """Rotation (3, 3) of the sheet, angles in radians."""
    about_x = np.asarray(cv2.Rodrigues(np.array([pitch, 0, 0]))[0])
    about_y = np.asarray(cv2.Rodrigues(np.array([0, yaw, 0]))[0])
    about_z = np.asarray(cv2.Rodrigues(np.array([0, 0, roll]))[0])
    return np.asarray(about_z @ about_x @ about_y, np.float64)


def project(
    size: tuple[int, int],
    sheet: tuple[float, float],
    away: tuple[float, float, float],
    turned: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The projection (3, 4) of a sheet's space, px of it, into a frame of ``size``, px: a pinhole camera.

    ``sheet`` is its (width, height); ``away`` its place: x, y in heights of it, its height over the frame's.
    """
    unit = 1 / sheet[1]  # the sheet is one long, and so far away that it appears ``away[2]`` frames high
    space = np.array([[unit, 0, 0, -sheet[0] * unit / 2], [0, unit, 0, -0.5], [0, 0, unit, 0], [0, 0, 0, 1]])
    pose = np.column_stack([turned, (away[0], away[1], FOCAL / away[2])])
    focal = FOCAL * size[1]
    lens = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
    return np.asarray(lens @ pose @ space)


def flat(projection: NDArray[np.float64]) -> NDArray[np.float64]:
    """The homography (3, 3) of the sheet's plane in a projection (3, 4)."""
    return np.ascontiguousarray(projection[:, [0, 1, 3]])


def room(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A wall with things out of focus."""
    width, height = size
    wall = np.linspace(150, 95, height, dtype=np.float32)[:, None, None] * np.array([1.0, 0.96, 0.9])
    made = np.repeat(wall, width, axis=1).astype(np.uint8)
    for _ in range(14):
        x, y = rng.integers(0, (width, height)).tolist()
        far = x + int(rng.integers(width // 20, width // 5)), y + int(rng.integers(height // 8, height // 2))
        cv2.rectangle(
            made, (x, y), far, (rng.integers(45, 175) + rng.integers(-22, 22, 3)).tolist(), cv2.FILLED
        )
    return np.asarray(cv2.GaussianBlur(made, (0, 0), height / 40), np.uint8)
