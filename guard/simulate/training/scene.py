"""Training variants of the place around an instrument: rooms, decoys, a hand, glare, and the cut edge."""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.pictures import (
    Mask,
    Picture,
    blur,
    chance,
    mix,
    smooth_noise,
    to_bytes,
    to_mask,
)

Quad = NDArray[np.float32]
"""Four corners float32 (4, 2) in pixels: top left, top right, bottom right, bottom left."""


def room(shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A made room: a wall of uneven light, a few rectangles (doors, windows, shelves), out of focus."""
    height, width = shape
    wall = np.full((height, width, 3), rng.uniform(40, 220) + rng.uniform(-25, 25, 3), np.float32)
    for _ in range(int(rng.integers(1, 9))):
        left, top = int(rng.integers(-width // 4, width)), int(rng.integers(-height // 4, height))
        right, bottom = left + int(rng.integers(4, width)), top + int(rng.integers(4, height))
        colour = tuple(float(value) for value in rng.uniform(10, 245) + rng.uniform(-40, 40, 3))
        cv2.rectangle(wall, (left, top), (right, bottom), colour, -1)
    shaded = wall * (1 + 0.25 * smooth_noise(shape, 3, rng)[:, :, np.newaxis])
    return to_bytes(blur(shaded, rng.uniform(0.3, 6) * width / 160))


def lit(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Uneven light: a linear fall-off in a random direction, up to ``strength`` (0..1) of the brightness."""
    height, width = picture.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : complex(height), -1 : 1 : complex(width)]
    slope = (np.cos(angle) * columns + np.sin(angle) * rows) * rng.uniform(0, strength)
    return to_bytes(picture * (1 + slope[:, :, np.newaxis]))


def glare(picture: Picture, rng: np.random.Generator) -> Picture:
    """Add one to three soft highlights, as a lamp or a window leaves on gloss."""
    height, width = picture.shape[:2]
    light = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (int(rng.integers(3, width // 3)), int(rng.integers(3, height // 5)))
        cv2.ellipse(light, centre, axes, rng.uniform(0, 180), 0, 360, rng.uniform(0.2, 1.0), -1)
    soft = blur(light, rng.uniform(1, 10) * width / 160)
    return mix(picture, np.full_like(picture, 250), np.minimum(soft, 0.9))


def hand(picture: Picture, edge: Quad, rng: np.random.Generator) -> Picture:
    """Lay a finger or two, of a skin's colour, over a border of the instrument."""
    width = picture.shape[1]
    start, end = edge[(k := int(rng.integers(0, 4)))], edge[(k + 1) % 4]
    inwards = edge.mean(axis=0) - (start + end) / 2
    inwards = inwards / max(float(np.hypot(*inwards)), 1.0)
    skin = rng.uniform(60, 230) * np.array([1.0, 0.78, 0.66]) + rng.uniform(-10, 10, 3)
    fingers = np.zeros(picture.shape[:2], np.float32)
    for _ in range(int(rng.integers(1, 4))):
        at = start + (end - start) * rng.uniform(0.1, 0.9)
        outer, tip = at - inwards * width * 0.3, at + inwards * width * rng.uniform(0.0, 0.12)
        thick = max(2, round(width * rng.uniform(0.05, 0.12)))
        cv2.line(fingers, _pixel(outer), _pixel(tip), 1.0, thick, cv2.LINE_AA)
    shade = 1 + 0.2 * smooth_noise(picture.shape[:2], 5, rng)[:, :, np.newaxis]
    return mix(picture, to_bytes(skin * shade), blur(fingers, 1.0))


def decoy(picture: Picture, centre: tuple[float, float], face_px: float, rng: np.random.Generator) -> Picture:
    """A bona fide picture with a frame, a window or a poster behind the head: a straight edge is no proof.

    ``centre`` and ``face_px`` (x, y and size of the face, px) say where the head is, which stays in front.
    """
    height, width = picture.shape[:2]
    behind = picture.copy()
    half = face_px * rng.uniform(0.6, 1.1, 2)
    corner, other = np.array(centre) - half, np.array(centre) + half
    colour = tuple(float(value) for value in rng.uniform(0, 255) + rng.uniform(-20, 20, 3))
    thick = -1 if chance(rng, 0.4) else max(1, round(face_px * rng.uniform(0.02, 0.12)))
    cv2.rectangle(behind, _pixel(corner), _pixel(other), colour, thick)
    head = np.zeros((height, width), np.float32)
    middle = (round(centre[0]), round(centre[1] - 0.08 * face_px))
    cv2.ellipse(head, middle, (round(0.52 * face_px), round(0.72 * face_px)), 0, 0, 360, 1.0, -1)
    body = np.array([[-0.9, 1.2], [-0.3, 0.4], [0.3, 0.4], [0.9, 1.2]]) * face_px + np.array(centre)
    cv2.fillConvexPoly(head, np.rint(body).astype(np.int32), 1.0)
    return mix(behind, picture, blur(head, face_px * 0.02))


def quad_mask(edge: Quad, shape: tuple[int, int], softness: float) -> Mask:
    """1 inside the quad, 0 outside, with an edge ``softness`` px wide."""
    mask = np.zeros(shape, np.float32)
    cv2.fillConvexPoly(mask, np.rint(edge * 16).astype(np.int32), 1.0, cv2.LINE_AA, shift=4)
    return to_mask(blur(mask, softness))


def shrunk(edge: Quad, pixels: float) -> Quad:
    """The quad with every corner moved ``pixels`` towards its middle, in x and in y."""
    return np.asarray(edge - np.sign(edge - edge.mean(axis=0)) * pixels, np.float32)


def _pixel(point: NDArray[np.floating]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
