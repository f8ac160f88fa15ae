"""Training variants of the place around an instrument or a person: rooms, lamps, hands, frames."""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.pictures import Mask, Picture, blur, chance, mix, resize, smooth_noise, to_bytes
from guard.simulate.training.surfaces import Rect, Surface
from guard.simulate.training.tones import defocused

_REFERENCE_PX = 160


def room(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A made room: a wall of uneven light, a few rectangles (doors, windows, shelves), more or less sharp."""
    height, width = shape
    wall = np.full((height, width, 3), rng.uniform(40, 220) + rng.uniform(-25, 25, 3), np.float32)
    for _ in range(int(rng.integers(1, 9))):
        left, top = int(rng.integers(-width // 4, width)), int(rng.integers(-height // 4, height))
        right, bottom = left + int(rng.integers(4, width)), top + int(rng.integers(4, height))
        colour = (rng.uniform(10, 245) + rng.uniform(-40, 40, 3)).tolist()
        cv2.rectangle(wall, (left, top), (right, bottom), colour, -1)
    shaded = to_bytes(wall * (1 + 0.25 * smooth_noise(shape, 3, rng)[:, :, np.newaxis]))
    return defocused(shaded, rng.uniform(0.3, 6) * width / _REFERENCE_PX)


def place(shape: tuple[int, int], behind: Picture | None, rng: np.random.Generator) -> Picture:
    """Where the camera stands: a part of the picture ``behind``, enlarged, blurred, or a made room."""
    if behind is None or chance(rng, 0.3):
        return room(shape, rng)
    height, width = behind.shape[:2]
    share = rng.uniform(0.35, 0.9)
    tall, wide = round(height * share), round(width * share)
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    part = resize(np.ascontiguousarray(behind[top : top + tall, left : left + wide]), shape[1], shape[0])
    part = part[:, ::-1] if chance(rng, 0.5) else part
    return defocused(np.ascontiguousarray(part), rng.uniform(0, 4) * shape[1] / _REFERENCE_PX)


def lit(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Uneven light: a linear fall-off in a random direction, up to ``strength`` (0..1) of the brightness."""
    height, width = picture.shape[:2]
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, strength)
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, np.newaxis] * np.float32(np.sin(angle) * slope)
    columns = np.linspace(-1, 1, width, dtype=np.float32) * np.float32(np.cos(angle) * slope)
    return to_bytes(picture.astype(np.float32) * (1 + rows + columns)[:, :, np.newaxis])


def glare(picture: Picture, rng: np.random.Generator) -> Picture:
    """Add one to three soft highlights, as a lamp or a window leaves on gloss."""
    height, width = picture.shape[:2]
    light = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (int(rng.integers(3, width // 3)), int(rng.integers(3, height // 5)))
        cv2.ellipse(light, centre, axes, rng.uniform(0, 180), 0, 360, rng.uniform(0.2, 1.0), -1)
    soft = defocused(to_bytes(light * 250), rng.uniform(1, 8) * width / _REFERENCE_PX)
    return np.asarray(cv2.add(picture, np.repeat(soft[:, :, np.newaxis], 3, axis=2)), np.uint8)


def hand(picture: Picture, surface: Surface, edge: Rect, rng: np.random.Generator) -> Picture:
    """Lay a few fingers, of a skin's colour, over a border of the instrument."""
    corners = np.array([edge[:2], (edge[2], edge[1]), edge[2:4], (edge[0], edge[3])])
    corners = surface.moved(corners).astype(np.float64)
    side = int(rng.integers(0, 4))
    start, end = corners[side], corners[(side + 1) % 4]
    inwards = corners.mean(axis=0) - (start + end) / 2
    inwards = inwards / max(float(np.hypot(*inwards)), 1.0)
    thick, along = rng.uniform(0.14, 0.26) * surface.face_px, (end - start) / np.hypot(*(end - start))
    first = start + (end - start) * rng.uniform(0.1, 0.8)
    fingers = np.zeros(picture.shape[:2], np.float32)
    for count in range(int(rng.integers(1, 5))):
        at = first + along * count * thick * 1.05
        tip = at + inwards * surface.face_px * rng.uniform(0.0, 0.3)
        outer = at - (inwards + along * rng.uniform(-0.4, 0.4)) * surface.face_px
        cv2.line(
            fingers, _pixel(outer), _pixel(tip), rng.uniform(0.85, 1.0), max(2, round(thick)), cv2.LINE_AA
        )
    return _skin(picture, fingers, rng)


def _skin(picture: Picture, fingers: Mask, rng: np.random.Generator) -> Picture:
    """Colour what ``fingers`` covers as skin, darker towards its borders."""
    tone = rng.uniform(50, 235) * np.array([1.0, 0.76, 0.64]) + rng.uniform(-10, 10, 3)
    round_off = blur(fingers, 0.02 * picture.shape[1])
    shade = (0.55 + 0.5 * round_off) * (1 + 0.15 * smooth_noise(picture.shape[:2], 5, rng))
    skin = to_bytes(tone.astype(np.float32) * shade[:, :, np.newaxis])
    return mix(picture, skin, np.minimum(blur(fingers, 0.8), 1.0))


def waving(
    picture: Picture, centre: tuple[float, float], face_px: float, rng: np.random.Generator
) -> Picture:
    """A hand of the person themself beside the face: fingers alone prove no instrument."""
    angle = rng.uniform(0, 2 * np.pi)
    away = np.array([np.cos(angle), np.sin(angle)]) * face_px
    fingers = np.zeros(picture.shape[:2], np.float32)
    for count in range(int(rng.integers(1, 5))):
        at = np.array(centre) + away * rng.uniform(0.55, 0.8) + away[::-1] * (-1, 1) * 0.2 * count
        cv2.line(fingers, _pixel(at + away), _pixel(at), 1.0, max(2, round(0.18 * face_px)), cv2.LINE_AA)
    return _skin(picture, fingers, rng)


def decoy(
    picture: Picture,
    person: Mask,
    centre: tuple[float, float],
    face_px: float,
    rng: np.random.Generator,
) -> Picture:
    """Frames, windows, posters, monitors behind a person (``person`` is 1 on them): an edge is no proof.

    ``centre`` and ``face_px`` (x, y and size of the face, px) say where the head is, which stays in front.
    """
    behind = picture.copy()
    for _ in range(int(rng.integers(1, 4))):
        _frame(behind, centre, face_px, rng)
    softened = blur(behind, rng.uniform(0, 1.5))
    return mix(softened, picture, person)


def _frame(behind: Picture, centre: tuple[float, float], face_px: float, rng: np.random.Generator) -> None:
    """Draw one upright rectangle near the head: filled, or a picture of something with a border."""
    first = np.array(centre) + rng.uniform(-1.3, 0.6, 2) * face_px
    other = first + rng.uniform(0.4, 2.2, 2) * face_px
    corners = _pixel(first), _pixel(other)
    colour = (rng.uniform(0, 245) + rng.uniform(-25, 25, 3)).tolist()
    thick = max(1, round(face_px * rng.uniform(0.02, 0.14)))
    if chance(rng, 0.7):
        (x1, y1), (x2, y2) = (np.maximum(corner, 0).tolist() for corner in corners)
        inside = behind[y1:y2, x1:x2]
        inside[:] = room((max(y2 - y1, 1), max(x2 - x1, 1)), rng)[: inside.shape[0], : inside.shape[1]]
    cv2.rectangle(behind, *corners, colour, thick if chance(rng, 0.75) else -1)


def _pixel(point: NDArray[np.floating]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
