"""Training variants of presentation attacks: a photo held to the camera, and a replay on a screen.

Made from bona fide pictures with their surroundings; the face stays where it was, so that only the instrument
tells the two apart. Written for training only: the demo's and the tests' attacks are other code.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.pictures import (
    Mask,
    Picture,
    Points,
    blur,
    chance,
    check_picture,
    check_points,
    gamma,
    mix,
    to_bytes,
    to_mask,
)
from guard.simulate.training.scene import Quad, decoy, glare, hand, lit, quad_mask, room, shrunk


def bona_fide(picture: Picture, points: Points, rng: np.random.Generator) -> Picture:
    """A person at the camera, with what might be taken for an attack: poor colours, blur, lamps, frames."""
    check_picture(picture)
    check_points(points)
    seen = picture
    if chance(rng, 0.3):
        seen = decoy(seen, _centre(points), _extent(points), rng)
    if chance(rng, 0.6):
        seen = _cast(seen, rng)
    if chance(rng, 0.6):
        seen = lit(seen, 0.35, rng)
    if chance(rng, 0.08):
        seen = glare(seen, rng)
    if chance(rng, 0.5):
        seen = _warped(seen, _tilt(points, seen.shape[:2], rng))
    return _recaptured(seen, rng)


def photo(picture: Picture, points: Points, rng: np.random.Generator) -> tuple[Picture, Mask]:
    """A print held in the hand: ink, paper, flat light, a border, perspective; and the mask of the paper."""
    check_picture(picture)
    check_points(points)
    edge = _edge(points, rng)
    printed = _paper(_ink(_cast(picture, rng), rng), rng)
    if chance(rng, 0.5):
        printed = _bordered(
            printed, edge, rng.uniform(0.02, 0.12) * _extent(points), rng.uniform(190, 245), rng
        )
    printed = lit(printed, 0.35, rng)
    if chance(rng, 0.3):
        printed = glare(printed, rng)
    return _held(picture, printed, points, edge, rng)


def screen(picture: Picture, points: Points, rng: np.random.Generator) -> tuple[Picture, Mask]:
    """A replay on a telephone or monitor: white point, grid, moire, bezel, glare; and the mask of it."""
    check_picture(picture)
    check_points(points)
    edge = _edge(points, rng)
    glowing = _grid(_backlit(picture, rng), rng)
    if chance(rng, 0.5):
        glowing = _moire(glowing, rng)
    if chance(rng, 0.3):
        glowing = _banded(glowing, rng)
    if chance(rng, 0.6):
        dark = rng.uniform(0, 40) if chance(rng, 0.85) else rng.uniform(180, 245)
        glowing = _bordered(glowing, edge, rng.uniform(0.03, 0.25) * _extent(points), dark, rng)
    if chance(rng, 0.4):
        mirrored = blur(room(picture.shape[:2], rng), 3.0)
        glowing = to_bytes(glowing + rng.uniform(0.05, 0.3) * mirrored)
    if chance(rng, 0.4):
        glowing = glare(glowing, rng)
    return _held(picture, glowing, points, edge, rng)


def _held(
    picture: Picture, surface: Picture, points: Points, edge: Quad, rng: np.random.Generator
) -> tuple[Picture, Mask]:
    """The surface inside its edge, the holder's room outside, seen slightly askew by the camera."""
    shape = picture.shape[:2]
    mask = quad_mask(edge, shape, rng.uniform(0.3, 1.2))
    around = room(shape, rng)
    if chance(rng, 0.7):  # the instrument shades what is behind it
        shade = blur(mask, 0.06 * shape[1])[:, :, np.newaxis]
        around = to_bytes(around * (1 - rng.uniform(0, 0.5) * shade))
    seen = mix(around, surface, mask)
    if chance(rng, 0.35):
        seen = hand(seen, edge, rng)
    tilt = _tilt(points, shape, rng)
    seen = _warped(seen, tilt)
    tilted = np.asarray(cv2.warpPerspective(mask, tilt, (shape[1], shape[0])), np.float32)
    return _recaptured(seen, rng), to_mask(tilted)


def _warped(picture: Picture, by: NDArray[np.float64]) -> Picture:
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.warpPerspective(picture, by, size, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def _edge(points: Points, rng: np.random.Generator) -> Quad:
    """Where the instrument ends, its own distance on each side of the face; often out of sight."""
    x, y = _centre(points)
    nearest = 1.0 if chance(rng, 0.5) else 0.55
    left, top, right, bottom = _extent(points) * rng.uniform(nearest, 1.4, 4)
    return np.array(
        [[x - left, y - top], [x + right, y - top], [x + right, y + bottom], [x - left, y + bottom]],
        np.float32,
    )


def _tilt(points: Points, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """A homography that turns and tilts a little about the face."""
    x, y = _centre(points)
    corners = np.array([[0, 0], [shape[1], 0], [shape[1], shape[0]], [0, shape[0]]], np.float32)
    turn = cv2.getRotationMatrix2D((x, y), rng.uniform(-8, 8), 1.0)
    turned = corners @ turn[:, :2].T + turn[:, 2] + rng.uniform(-0.07, 0.07, (4, 2)) * shape[1]
    return np.asarray(cv2.getPerspectiveTransform(corners, turned.astype(np.float32)), np.float64)


def _cast(picture: Picture, rng: np.random.Generator) -> Picture:
    """Fewer tones, another white: what ink does, and many a webcam too."""
    low, high = rng.uniform(0, 60), rng.uniform(175, 255)
    white = 1 + rng.uniform(-0.12, 0.12, 3)
    grey = picture.mean(axis=2, keepdims=True)
    coloured = grey + (picture - grey) * rng.uniform(0.4, 1.15)
    return to_bytes((low + coloured * (high - low) / 255) * white)


def _ink(picture: Picture, rng: np.random.Generator) -> Picture:
    """Halftone: a screen of dots for each ink at its own angle, or an ordered dither, then dot gain."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    values = picture.astype(np.float32)
    depth = rng.uniform(2, 28)
    if chance(rng, 0.6):
        period = rng.uniform(1.8, 5)
        for channel, angle in enumerate(np.deg2rad(np.array([15, 75, 45]) + rng.uniform(-8, 8))):
            across = (columns * np.cos(angle) + rows * np.sin(angle)) * (2 * np.pi / period)
            down = (rows * np.cos(angle) - columns * np.sin(angle)) * (2 * np.pi / period)
            values[:, :, channel] += depth * 0.5 * (np.cos(across) + np.cos(down))
    elif chance(rng, 0.5):
        matrix = (
            np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 15 - 0.5
        )
        values += depth * np.tile(matrix, (height // 4 + 1, width // 4 + 1))[:height, :width, np.newaxis]
    return to_bytes(blur(values, rng.uniform(0.3, 1.3)))


def _paper(picture: Picture, rng: np.random.Generator) -> Picture:
    """Grain of the paper, and faint stripes of the print head."""
    height, width = picture.shape[:2]
    grain = np.asarray(
        blur(rng.standard_normal((height, width), np.float32), rng.uniform(0.4, 1.5)), np.float32
    )
    stripes = rng.uniform(0, 3) * np.sin(np.arange(height) * rng.uniform(0.3, 2))[:, np.newaxis]
    return to_bytes(picture + (rng.uniform(0, 6) * grain + stripes)[:, :, np.newaxis])


def _bordered(
    picture: Picture, edge: Quad, width_px: float, grey: float, rng: np.random.Generator
) -> Picture:
    """A margin or a bezel of one grey inside the edge."""
    inner = quad_mask(shrunk(edge, width_px), picture.shape[:2], 0.5)
    return mix(np.full_like(picture, to_bytes(grey + rng.uniform(-5, 5, 3))), picture, inner)


def _backlit(picture: Picture, rng: np.random.Generator) -> Picture:
    """A display's tone curve, white point, saturation and leaking backlight."""
    shown = gamma(picture, rng.uniform(0.6, 1.5)).astype(np.float32)
    grey = shown.mean(axis=2, keepdims=True)
    coloured = grey + (shown - grey) * rng.uniform(0.6, 1.4)
    white = np.array([rng.uniform(0.75, 1.08), rng.uniform(0.85, 1.08), rng.uniform(0.9, 1.25)])
    return to_bytes((coloured * rng.uniform(0.5, 1.05) + rng.uniform(0, 45)) * white)


def _grid(picture: Picture, rng: np.random.Generator) -> Picture:
    """The raster of the display's pixels, each colour a third of a pixel apart."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    period, depth = rng.uniform(1.6, 4.5), rng.uniform(0, 0.12)
    lines = np.cos(rows * (2 * np.pi / period))
    stripes = np.stack([np.cos((columns / period + phase / 3) * 2 * np.pi) for phase in range(3)], 2)
    return to_bytes(picture * (1 + depth * (0.6 * lines[:, :, np.newaxis] + 0.8 * stripes)))


def _moire(picture: Picture, rng: np.random.Generator) -> Picture:
    """Bent, slow, coloured waves: the beat of the display's raster with the sensor's."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[-1 : 1 : complex(height), -1 : 1 : complex(width)]
    values = picture.astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        angle, waves = rng.uniform(0, np.pi), rng.uniform(3, 30)
        bend = rng.uniform(-0.4, 0.4) * (rows**2 + columns**2) + rng.uniform(-0.3, 0.3) * rows * columns
        phase = np.pi * waves * (np.cos(angle) * columns + np.sin(angle) * rows + bend)
        offset = rng.uniform(0, 2, 3) if chance(rng, 0.7) else np.zeros(3)
        values += rng.uniform(2, 14) * np.cos(phase[:, :, np.newaxis] + offset)
    return to_bytes(values)


def _banded(picture: Picture, rng: np.random.Generator) -> Picture:
    """Dark bars: the display's refresh against the camera's shutter."""
    waves = np.sin(np.linspace(0, np.pi * rng.uniform(1, 8), picture.shape[0]) + rng.uniform(0, 6))
    return to_bytes(picture * (1 + rng.uniform(0.03, 0.2) * waves[:, np.newaxis, np.newaxis]))


def _recaptured(picture: Picture, rng: np.random.Generator) -> Picture:
    """The lens that sees it: out of focus by up to two pixels."""
    return blur(picture, rng.uniform(0, 1.6) * picture.shape[1] / 160)


def _centre(points: Points) -> tuple[float, float]:
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2


def _extent(points: Points) -> float:
    return float(np.ptp(points[:, :2], axis=0).max())
