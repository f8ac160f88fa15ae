"""Test variant of a photo in the hand: a still print held to a camera; no life in it."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.geometry import Box
from guard.core.types import Picture
from guard.simulate.testing.fingers import Finger, Grip
from guard.simulate.testing.held import Hand, flat, project, room, turn
from guard.simulate.testing.lattice import apply_homography, laid
from guard.simulate.warp import Sensor, require_picture

_SHEET_HEIGHT = 1.35
"""Height at which the photo is kept, in heights of the output: a little more than will be seen."""


_EDGE, _EDGE_RGB = 0.035, (232, 228, 218)
"""Width of the print's border as a share of the photo's height, and its colour."""

_BLACK, _WHITE = 26.0, (238.0, 232.0, 220.0)
"""What pure black, and pure white, RGB, comes out as on paper, 0..255."""

_SOFTNESS = 1.0
"""Blur of the print, standard deviation in pixels of the sheet."""

_GRAIN = 2.0
"""Fixed texture of the paper, standard deviation in 8-bit steps."""

_SHEEN = 26.0
"""Brightest reflection that slides over the paper, 8-bit steps."""


class HeldPhoto(Iterator[Picture]):
    """Endless frames of one photo held to a camera by a hand: sway, tremor, tilt, sheen, sensor noise."""

    def __init__(
        self,
        photo: Picture,
        size: tuple[int, int],
        seed: int,
        *,
        fps: float = 30.0,
        fill: float = 0.94,
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
        self._sheet = printed(photo, size, rng)
        self._sheen = _sheen(self._sheet, rng)
        self._room = room(size, rng)
        self._grip = thumbs(self._sheet, fill * size[1], rng)
        self._hand = Hand(rng)
        self._sensor = Sensor(rng, size)

    def __next__(self) -> Picture:
        """The next frame."""
        time = self._count / self._fps
        self._count += 1
        x, y, distance, roll, yaw, pitch = self._hand.at(time)
        away = x, y, self._fill * (1 + distance)
        sheet = self._sheet.shape[1], self._sheet.shape[0]
        matrix = flat(project(self._size, sheet, away, turn(roll, yaw, pitch)))
        scene = self._compose(self._lit(yaw - pitch), matrix)
        self._grip.lay(scene, apply_homography(matrix, self._grip.ends))
        return self._sensor.expose(scene, time)

    def _lit(self, tilt: float) -> Picture:
        """The sheet with the reflection where this tilt, radians, puts it."""
        width, spare = self._sheet.shape[1], self._sheen.shape[1] - self._sheet.shape[1]
        start = round(np.clip(0.5 + tilt * 2.0, 0, 1) * spare)
        return np.asarray(cv2.add(self._sheet, self._sheen[:, start : start + width]), np.uint8)

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
        shares = mask.astype(np.float32) / np.float32(255)
        return laid(np.asarray(seen, np.uint8), self._room, shares)


def portrait(picture: Picture, face: Box, aspect: float = 0.8, face_share: float = 0.45) -> Picture:
    """Cut a portrait of ``aspect`` = width / height in which the face box takes ``face_share`` of the height.

    The cut is smaller, its aspect kept, where the picture ends.
    """
    require_picture("portrait", picture)
    return picture[portrait_window(picture.shape[:2], face, aspect, face_share)].copy()


def portrait_window(
    shape: tuple[int, ...], face: Box, aspect: float, face_share: float
) -> tuple[slice, slice]:
    """Rows and columns that ``portrait`` cuts from a picture of ``shape`` (rows, columns)."""
    rows, columns = shape[:2]
    height = min(face.height / face_share, rows, columns / aspect)
    width = height * aspect
    x, y = face.centre
    left = min(max(x - width / 2, 0), columns - width)
    top = min(max(y - height * 0.48, 0), rows - height)
    return slice(round(top), round(top + height)), slice(round(left), round(left + width))


def printed(photo: Picture, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """The photo on paper, large enough for frames of ``size``, with a border."""
    height = round(size[1] * _SHEET_HEIGHT)
    width = round(height * photo.shape[1] / photo.shape[0])
    shrinks = photo.shape[0] > height
    scaled = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    soft = np.asarray(cv2.GaussianBlur(scaled, (0, 0), _SOFTNESS), np.float32)
    inked = _BLACK + soft / 255 * (np.array(_WHITE, np.float32) - _BLACK)
    edge = round(height * _EDGE)
    framed = cv2.copyMakeBorder(inked, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=_EDGE_RGB)
    texture = rng.normal(0, _GRAIN, (*np.asarray(framed).shape[:2], 1))
    return np.clip(np.asarray(framed) + texture, 0, 255).astype(np.uint8)


def thumbs(sheet: Picture, seen: float, rng: np.random.Generator) -> Grip:
    """Two hands from below, a thumb over either edge of a sheet, about ``seen`` px high in the frame."""
    width = sheet.shape[1] / sheet.shape[0]
    held = []
    for edge, inwards in ((0.0, 1), (width, -1)):
        y, reach = rng.uniform(0.7, 0.83), rng.uniform(0.05, 0.1)
        root = edge - rng.uniform(0.15, 0.3) * inwards, 1.25
        held.append(Finger(root, (edge + reach * inwards, y), 0.1))
    return Grip(held, sheet.shape[0], seen, rng)


def _sheen(sheet: Picture, rng: np.random.Generator) -> Picture:
    """A slanting band of light, three sheets wide, of which a window one sheet wide is added."""
    rows, columns = sheet.shape[:2]
    y, x = np.mgrid[0:rows, 0 : 3 * columns].astype(np.float32)
    across = (x - 1.5 * columns + (y - rows / 2) * rng.uniform(0.25, 0.6)) / columns
    broad = np.exp(-((across / 0.35) ** 2))
    narrow = 0.6 * np.exp(-(((across - 0.1) / 0.08) ** 2))
    band = _SHEEN * (broad + narrow) / 1.6
    return np.repeat(band[..., None], 3, axis=2).astype(np.uint8)
