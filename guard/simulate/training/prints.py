"""Training variants of ink on paper: fewer colours, paper for white, a printer's dots, gloss of a bend."""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.pictures import Picture, blur, chance, resize, to_bytes
from guard.simulate.training.surfaces import Plane, Rect, Surface
from guard.simulate.training.tones import toned

Values = NDArray[np.float32]
"""float32 (height, width, 3), 0..255, not yet clipped."""

_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 15 - 0.5
_ANGLES = (15.0, 75.0, 45.0)


def inked(picture: Picture, rng: np.random.Generator) -> Picture:
    """What a printer makes of the tones: black is grey, white is paper, less colour, all a bit run."""
    black, white = rng.uniform(5, 70), rng.uniform(170, 252)
    paper = 1 + rng.uniform(-0.07, 0.07) * np.array([1.0, 0.3, -1.0]) + rng.uniform(-0.02, 0.02, 3)
    colour = 0.0 if chance(rng, 0.12) else rng.uniform(0.35, 1.15)
    gain = paper * (white - black) / 255
    put = toned(picture, rng.uniform(0.7, 1.5), colour, gain, 255 * black / (white - black))
    if chance(rng, 0.3):  # printed from a small file
        height, width = put.shape[:2]
        small = rng.uniform(0.25, 0.7)
        put = resize(resize(put, round(width * small), round(height * small)), width, height)
    return blur(put, rng.uniform(0.0, 1.1) * picture.shape[1] / 224)


def dots(surface: Surface, period_px: float, angle: float) -> Plane:
    """The screen of one ink, -1..1: dots ``period_px`` apart in rows at ``angle`` radians."""
    turn = np.float32(2 * np.pi / period_px)
    cos, sin = np.float32(np.cos(angle)) * turn, np.float32(np.sin(angle)) * turn
    first = np.cos(surface.u * cos + surface.v * sin)
    second = np.cos(surface.v * cos - surface.u * sin)
    screen: Plane = np.float32(0.5) * (first + second)
    return screen


def screened(seen: Picture, surface: Surface, rng: np.random.Generator) -> Values:
    """Add the printer's dots where the camera sees them: halftone, ordered dither or neither; and grain."""
    values = seen.astype(np.float32)
    kind = rng.random()
    if kind < 0.35:  # noqa: PLR2004 -- a third of the prints
        period, depth = rng.uniform(0.7, 4), np.float32(rng.uniform(1, 16))
        for channel, angle in enumerate(np.deg2rad(_ANGLES) + rng.uniform(-0.1, 0.1)):
            values[:, :, channel] += depth * dots(surface, period, angle)
    elif kind < 0.5:  # noqa: PLR2004 -- one in seven
        cell = np.float32(1 / rng.uniform(0.5, 1.5))
        at = (surface.v * cell).astype(np.int32) & 3, (surface.u * cell).astype(np.int32) & 3
        values += (np.float32(rng.uniform(2, 22)) * _BAYER[at])[:, :, np.newaxis]
    grain = blur(rng.standard_normal(seen.shape[:2], np.float32), rng.uniform(0.3, 1.6))
    stripes = np.sin(surface.v * np.float32(rng.uniform(0.2, 2.5)))
    rough = np.float32(rng.uniform(0, 5)) * grain + np.float32(rng.uniform(0, 2.5)) * stripes
    grainy: Values = values + rough[:, :, np.newaxis]
    return grainy


def margin(values: Values, surface: Surface, edge: Rect, width_px: float, rng: np.random.Generator) -> Values:
    """Leave ``width_px`` of bare paper inside the edge."""
    white = np.float32(rng.uniform(150, 250) * (1 + rng.uniform(-0.05, 0.05, 3)))
    share = surface.share_inside(edge.shrunk(width_px))[:, :, np.newaxis]
    return white + (values - white) * share


def shaded(values: Values, surface: Surface, rng: np.random.Generator) -> Values:
    """The light that a bend turns away, and the streak along the line where it mirrors a lamp."""
    bent = surface.bend.fold + abs(surface.bend.depth) > 0
    slope = rng.uniform(-0.5, 0.5) if bent else rng.uniform(-0.06, 0.06)
    lit = values * (1 + np.float32(slope) * np.clip(surface.across, -1.5, 1.5))[:, :, np.newaxis]
    if not chance(rng, 0.4 if bent else 0.15):
        return lit
    at, width = np.float32(rng.uniform(-1, 1)), np.float32(rng.uniform(0.04, 0.3))
    streak = np.exp(-np.square((surface.across - at) / width))
    glossy: Values = lit + np.float32(rng.uniform(20, 150)) * streak[:, :, np.newaxis]
    return glossy


def card(picture: Picture, portrait: Rect, whole: Rect, rng: np.random.Generator) -> Picture:
    """An identity card around the face: pale ground with fine lines, a heading, rows of words, a portrait."""
    ground = rng.uniform(150, 245) + rng.uniform(-35, 35, 3)
    height, width = picture.shape[:2]
    y, x = np.indices((height, width), np.float32)
    wave = np.sin(x * np.float32(rng.uniform(0.1, 0.8)) + 3 * np.sin(y * np.float32(rng.uniform(0.02, 0.15))))
    drawn = to_bytes(ground + (np.float32(rng.uniform(0, 12)) * wave)[:, :, np.newaxis])
    unit = (portrait.bottom - portrait.top) / 12
    _heading(drawn, whole, unit, rng)
    _words(drawn, portrait, whole, unit, rng)
    left, top, right, bottom = (max(0, round(value)) for value in portrait[:4])
    drawn[top:bottom, left:right] = picture[top:bottom, left:right]
    return drawn


def _heading(drawn: Picture, whole: Rect, unit: float, rng: np.random.Generator) -> None:
    if not chance(rng, 0.7):
        return
    colour = rng.uniform(20, 220, 3).tolist()
    corners = (round(whole.left), round(whole.top)), (round(whole.right), round(whole.top + 2 * unit))
    cv2.rectangle(drawn, *corners, colour, -1)
    at = round(whole.left + 2 * unit), round(whole.top + 1.4 * unit)
    cv2.putText(drawn, _letters(14, rng), at, 0, unit / 26, (245, 245, 245), 1, cv2.LINE_AA)


def _words(drawn: Picture, portrait: Rect, whole: Rect, unit: float, rng: np.random.Generator) -> None:
    ink = (rng.uniform(10, 90) * np.ones(3)).tolist()
    starts = (portrait.right + unit, whole.left + unit)
    for start, top, bottom in (
        (starts[0], portrait.top, portrait.bottom),
        (starts[1], portrait.bottom + 1.2 * unit, whole.bottom),
    ):
        step = unit * rng.uniform(1.0, 1.8)
        for row in np.arange(top + unit, bottom - 0.3 * unit, step):
            text = _letters(int(rng.integers(4, 24)), rng)
            size = unit / 26 * rng.uniform(0.6, 1.1)
            cv2.putText(drawn, text, (round(start), round(float(row))), 0, size, ink, 1, cv2.LINE_AA)


def _letters(count: int, rng: np.random.Generator) -> str:
    return "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTUVXYZ0123456789<  "), count))
