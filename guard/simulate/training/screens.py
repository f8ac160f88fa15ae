"""Training variants of a display: what was coded before, its light, its raster in the camera, its glass."""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.pictures import Picture, blur, chance, jpeg, resize
from guard.simulate.training.surfaces import Plane, Rect, Surface
from guard.simulate.training.tones import toned

Values = NDArray[np.float32]
"""float32 (height, width, 3), 0..255, not yet clipped."""


def coded(picture: Picture, rng: np.random.Generator) -> Picture:
    """The file or call that the display shows: smaller than the picture, and coded once before."""
    height, width = picture.shape[:2]
    share = rng.uniform(0.35, 1.0)
    small = resize(picture, round(width * share), round(height * share))
    return resize(jpeg(small, int(rng.integers(18, 85))), width, height)


def glowing(picture: Picture, rng: np.random.Generator) -> Picture:
    """A display's tone curve, white point (mostly bluish), saturation, and a black that glows."""
    exponent, colour = float(np.exp(rng.uniform(-0.45, 0.45))), rng.uniform(0.45, 1.4)
    warmth = rng.normal(-0.06, 0.1)
    white = np.array([1 + warmth, 1 + rng.uniform(-0.05, 0.04), 1 - warmth]) * rng.uniform(0.5, 1.15)
    return toned(picture, exponent, colour, white, rng.uniform(0, 50))


def raster(u: Plane, v: Plane, pitch_px: float, gaps: float) -> Values:
    """Light of the display's pixels at points u, v, each colour's mean about 0, float32 (height, width, 3).

    Red, green and blue stripes stand a third of ``pitch_px`` apart; ``gaps`` (0..1) darkens between the rows.
    """
    turn = np.float32(2 * np.pi / pitch_px)
    across = u * turn
    rows = np.float32(gaps) * np.cos(v * turn)
    third = np.float32(2 * np.pi / 3)
    return np.stack([np.cos(across - third * colour) + rows for colour in range(3)], axis=2)


def sampled(seen: Picture, surface: Surface, rng: np.random.Generator) -> Values:
    """The raster as the camera's pixels meet it: sampled at their middles, so that moire appears by itself.

    A colour filter samples red and blue half a pixel beside green, which colours the moire.
    """
    values = seen.astype(np.float32)
    pitch, depth = rng.uniform(0.3, 3.2), rng.uniform(0, 0.3) ** 1.5
    aside = np.float32(rng.uniform(0, 0.5))
    turned = chance(rng, 0.4)  # a telephone held upright shows its rows as columns
    u, v = (surface.v, surface.u) if turned else (surface.u, surface.v)
    light = raster(u + aside * np.float32(np.sign(pitch - 1)), v, pitch, rng.uniform(0, 1))
    if chance(rng, 0.5):
        light = np.repeat(light.mean(axis=2, keepdims=True), 3, axis=2) + np.float32(0.4) * light
    light = blur(light, rng.uniform(0, 0.8))
    return values * (1 + np.float32(depth) * light)


def banded(values: Values, rng: np.random.Generator) -> Values:
    """Bars of the refresh against the shutter: soft waves, or one dark bar with an edge."""
    rows = np.linspace(0, 1, values.shape[0], dtype=np.float32)
    phase = rows * np.float32(rng.uniform(0.5, 6)) + np.float32(rng.uniform(0, 1))
    wave = np.sin(2 * np.pi * phase)
    if chance(rng, 0.4):
        wave = np.tanh(np.float32(rng.uniform(2, 12)) * (wave - np.float32(rng.uniform(-0.6, 0.6))))
    depth = np.float32(rng.uniform(0.02, 0.16)) * (1 + np.float32(0.15) * rng.standard_normal(3, np.float32))
    barred: Values = values * (1 + depth * wave[:, np.newaxis, np.newaxis])
    return barred


def mirrored(values: Values, room: Picture, rng: np.random.Generator) -> Values:
    """The room in the glass: its light lies over the display's, veils the black and shows its own edges."""
    strength = np.float32(rng.uniform(0.03, 0.4))
    return values * (1 - np.float32(0.3) * strength) + strength * room


def buttons(picture: Picture, display: Rect, rng: np.random.Generator) -> Picture:
    """What stands on displays besides the face: bars above and below, round buttons, a triangle to play."""
    drawn = picture.copy()
    left, top, right, bottom = (round(value) for value in display[:4])
    side = right - left
    dark = chance(rng, 0.7)
    colour = rng.uniform(0, 50, 3).tolist() if dark else rng.uniform(190, 250, 3).tolist()
    for edge, inwards in ((top, 1), (bottom, -1)):
        if chance(rng, 0.6):
            cv2.rectangle(
                drawn,
                (left, edge),
                (right, edge + inwards * round(side * rng.uniform(0.03, 0.2))),
                colour,
                -1,
            )
    below = round(bottom - side * rng.uniform(0.06, 0.16))
    for place in np.linspace(left, right, int(rng.integers(2, 7)))[1:-1]:
        centre = round(float(place)), below
        cv2.circle(
            drawn, centre, max(2, round(side * 0.045)), rng.uniform(20, 250, 3).tolist(), -1, cv2.LINE_AA
        )
    return drawn
