"""Test variant of a photo in the hand: a still print or phone screen held to a camera; no life in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.geometry import Box
from guard.core.types import Picture
from guard.simulate.warp import Drift, Sensor, require_picture

_SHEET_HEIGHT = 1.35
"""Height at which the photo is kept, in heights of the output: a little more than will be seen."""

_FOCAL = 1.3
"""Focal length of the camera in heights of the output: a laptop's webcam."""


@dataclass(frozen=True, slots=True)
class Medium:
    """What the photo is shown on."""

    edge: float
    """Width of the border as a share of the photo's height."""
    edge_rgb: tuple[int, int, int]
    black: float
    """What pure black comes out as, 0..255."""
    white: tuple[float, float, float]
    """What pure white comes out as, RGB 0..255."""
    softness: float
    """Blur of print or screen, standard deviation in pixels of the sheet."""
    grain: float
    """Fixed texture of the surface, standard deviation in 8-bit steps."""
    sheen: float
    """Brightest reflection that slides over the surface, 8-bit steps."""


MEDIA: dict[Literal["paper", "phone"], Medium] = {
    "paper": Medium(0.035, (232, 228, 218), 26.0, (238.0, 232.0, 220.0), 1.0, 2.0, 26.0),
    "phone": Medium(0.05, (14, 14, 17), 10.0, (240.0, 248.0, 255.0), 0.6, 0.5, 44.0),
}
"""Media by name."""


class HeldPhoto(Iterator[Picture]):
    """Endless frames of one photo held to a camera by a hand: sway, tremor, tilt, sheen, sensor noise."""

    def __init__(
        self,
        photo: Picture,
        size: tuple[int, int],
        seed: int,
        *,
        fps: float = 30.0,
        medium: Literal["paper", "phone"] = "paper",
        fill: float = 0.94,
        noise: float = 2.0,
    ) -> None:
        """Hold ``photo``, RGB (height, width, 3), to a camera whose frames are ``size`` = (width, height).

        ``fill`` is the photo's mean height over the frame's: below 1 its edges show, from about 1.4 on
        it fills the frame. Crop the photo with ``portrait`` first where its face is small.
        """
        require_picture("HeldPhoto", photo)
        rng = np.random.default_rng(seed)
        self._size = size
        self._fps = fps
        self._fill = fill
        self._count = 0
        self._sheet = _sheet(photo, size, MEDIA[medium], rng)
        self._sheen = _sheen(self._sheet, MEDIA[medium].sheen, rng)
        self._room = _room(size, rng)
        self._sway = Drift(rng, (0.05, 0.04, 0.045, 0.05, 0.14, 0.10), (0.08, 0.55))
        self._tremor = Drift(rng, (0.0022, 0.0022, 0.002, 0.003, 0.01, 0.01), (4.0, 9.0))
        self._sensor = Sensor(rng, size, noise)

    def __next__(self) -> Picture:
        """The next frame."""
        time = self._count / self._fps
        self._count += 1
        pose = np.add(self._sway.at(time), self._tremor.at(time))
        x, y, distance, roll, yaw, pitch = pose.tolist()
        matrix = self._project(x, y, self._fill * (1 + distance), _turn(roll, yaw, pitch))
        scene = self._compose(self._lit(yaw - pitch), matrix)
        return self._sensor.expose(scene, time)

    def _lit(self, tilt: float) -> Picture:
        """The sheet with the reflection where this tilt, radians, puts it."""
        width, spare = self._sheet.shape[1], self._sheen.shape[1] - self._sheet.shape[1]
        start = round(np.clip(0.5 + tilt * 2.0, 0, 1) * spare)
        return np.asarray(cv2.add(self._sheet, self._sheen[:, start : start + width]), np.uint8)

    def _project(self, x: float, y: float, fill: float, turn: NDArray[np.float64]) -> NDArray[np.float64]:
        """The homography, sheet px to frame px: a pinhole camera before a plane."""
        width, height = self._size
        rows, columns = self._sheet.shape[:2]
        unit = 1 / rows  # the sheet is one long, and so far away that it appears ``fill`` frames high
        plane = np.array([[unit, 0, -columns * unit / 2], [0, unit, -0.5], [0, 0, 1]])
        away = np.array([x, y, _FOCAL / fill])
        pose = np.column_stack([turn[:, 0], turn[:, 1], away])
        focal = _FOCAL * height
        lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return np.asarray(lens @ pose @ plane)

    def _compose(self, sheet: Picture, matrix: NDArray[np.float64]) -> Picture:
        """The sheet before the room, its edges smooth."""
        seen = cv2.warpPerspective(
            sheet, matrix, self._size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        rows, columns = sheet.shape[:2]
        corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
        quad = cv2.perspectiveTransform(corners[None], matrix)[0]
        mask = np.zeros(self._size[::-1], np.uint8)
        cv2.fillConvexPoly(mask, np.rint(quad * 16).astype(np.int32), 255, cv2.LINE_AA, shift=4)
        shares = mask.astype(np.float32) / 255
        return np.asarray(cv2.blendLinear(seen, self._room, shares, 1 - shares), np.uint8)


def portrait(picture: Picture, face: Box, aspect: float = 0.8, face_share: float = 0.45) -> Picture:
    """Cut a portrait of ``aspect`` = width / height in which the face box takes ``face_share`` of the height.

    The cut is smaller, its aspect kept, where the picture ends.
    """
    require_picture("portrait", picture)
    rows, columns = picture.shape[:2]
    height = min(face.height / face_share, rows, columns / aspect)
    width = height * aspect
    x, y = face.centre
    left = min(max(x - width / 2, 0), columns - width)
    top = min(max(y - height * 0.48, 0), rows - height)
    return picture[round(top) : round(top + height), round(left) : round(left + width)].copy()


def _turn(roll: float, yaw: float, pitch: float) -> NDArray[np.float64]:
    """Rotation (3, 3) of the sheet, angles in radians."""
    about_x = np.asarray(cv2.Rodrigues(np.array([pitch, 0, 0]))[0])
    about_y = np.asarray(cv2.Rodrigues(np.array([0, yaw, 0]))[0])
    about_z = np.asarray(cv2.Rodrigues(np.array([0, 0, roll]))[0])
    return np.asarray(about_z @ about_x @ about_y, np.float64)


def _sheet(photo: Picture, size: tuple[int, int], medium: Medium, rng: np.random.Generator) -> Picture:
    """The photo as its medium shows it, with its border."""
    height = round(size[1] * _SHEET_HEIGHT)
    width = round(height * photo.shape[1] / photo.shape[0])
    shrinks = photo.shape[0] > height
    scaled = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    soft = np.asarray(cv2.GaussianBlur(scaled, (0, 0), medium.softness), np.float32)
    printed = medium.black + soft / 255 * (np.array(medium.white, np.float32) - medium.black)
    edge = round(height * medium.edge)
    framed = cv2.copyMakeBorder(printed, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=medium.edge_rgb)
    texture = rng.normal(0, medium.grain, (*np.asarray(framed).shape[:2], 1))
    return _with_thumbs(np.clip(np.asarray(framed) + texture, 0, 255).astype(np.uint8), rng)


def _with_thumbs(sheet: Picture, rng: np.random.Generator) -> Picture:
    """The sheet with a thumb on its left and right edge, shaded as if round."""
    rows, columns = sheet.shape[:2]
    tone = np.array([205, 155, 130]) * rng.uniform(0.6, 1.1)
    for x, slant in ((0, 20), (columns, 160)):
        centre = x, round(rows * rng.uniform(0.72, 0.85))
        for share in (1.0, 0.85, 0.7):
            axes = round(rows * 0.085 * share), round(rows * 0.04 * share)
            colour = (tone * (1.12 - 0.32 * share)).tolist()
            cv2.ellipse(sheet, centre, axes, slant, 0, 360, colour, cv2.FILLED, cv2.LINE_AA)
    return sheet


def _sheen(sheet: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """A slanting band of light, three sheets wide, of which a window one sheet wide is added."""
    rows, columns = sheet.shape[:2]
    y, x = np.mgrid[0:rows, 0 : 3 * columns].astype(np.float32)
    across = (x - 1.5 * columns + (y - rows / 2) * rng.uniform(0.25, 0.6)) / columns
    broad = np.exp(-((across / 0.35) ** 2))
    narrow = 0.6 * np.exp(-(((across - 0.1) / 0.08) ** 2))
    band = strength * (broad + narrow) / 1.6
    return np.repeat(band[..., None], 3, axis=2).astype(np.uint8)


def _room(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A wall with things out of focus."""
    width, height = size
    wall = np.linspace(150, 95, height, dtype=np.float32)[:, None, None] * np.array([1.0, 0.96, 0.9])
    room = np.repeat(wall, width, axis=1).astype(np.uint8)
    for _ in range(14):
        x, y = rng.integers(0, (width, height)).tolist()
        far = x + int(rng.integers(width // 20, width // 5)), y + int(rng.integers(height // 8, height // 2))
        cv2.rectangle(
            room, (x, y), far, (rng.integers(45, 175) + rng.integers(-22, 22, 3)).tolist(), cv2.FILLED
        )
    return np.asarray(cv2.GaussianBlur(room, (0, 0), height / 40), np.uint8)
