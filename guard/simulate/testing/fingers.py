"""Shared by what is held to a camera: fingers about its edges, shaded once and laid into each frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.geometry import bounding_box
from guard.core.types import Picture

_BESIDE = 1.0
"""Room about a finger for its shadow, in radii of it, as all that follows."""

_HEEL, _SLOPE, _WIDE = 5.0, 4.0, 0.9
"""How far behind its tip a finger begins to widen towards the hand, over which length, and by how much."""

_SHADOW = 0.4
"""How much of the light a finger takes from what lies right beside it."""


@dataclass(frozen=True, slots=True)
class Finger:
    """Where a finger lies on what it holds: root and tip, x and y, and how thick it is, in heights of that.

    One that is much longer than thick widens towards its root into a hand.
    """

    root: tuple[float, float]
    tip: tuple[float, float]
    thick: float


@dataclass(frozen=True, slots=True)
class _Sprite:
    """A finger with its shadow, its root on the left."""

    colours: NDArray[np.uint8]
    """(rows, columns, 4): the light that comes from it, RGB, and what it leaves of that from behind it."""
    ends: tuple[float, float]
    """Columns of root and tip."""


class Grip:
    """Fingers of one hand, or two, that hold something."""

    def __init__(
        self, fingers: Sequence[Finger], height: float, seen: float, rng: np.random.Generator
    ) -> None:
        """``height``: of the held thing, in px of its own; ``seen``: about the same in px of the frame."""
        tone = skin_tone(rng)
        ends = np.array([(finger.root, finger.tip) for finger in fingers], np.float32)
        self.ends = ends * np.float32(height)
        """(fingers, 2, 2): each one's root and tip, x and y in px of what they hold."""
        self._sprites = [_drawn(finger, seen, tone, rng) for finger in fingers]

    def lay(self, picture: Picture, ends: NDArray[np.float32]) -> None:
        """Draw them into the picture; ``ends`` as the attribute, in px of the picture."""
        for sprite, (root, tip) in zip(self._sprites, ends.astype(np.float64), strict=True):
            _lay(picture, sprite, root, tip)


def skin_tone(rng: np.random.Generator) -> NDArray[np.float64]:
    """Somebody's hand, RGB."""
    return np.array([205, 155, 130]) * rng.uniform(0.6, 1.1)


def _lay(picture: Picture, sprite: _Sprite, root: NDArray[np.float64], tip: NDArray[np.float64]) -> None:
    rows, columns = sprite.colours.shape[:2]
    first, last = sprite.ends
    x, y = (tip - root) / (last - first)
    below = 1 if x >= 0 else -1  # the light comes from above, whichever way the finger points
    linear = np.array([[x, -below * y], [y, below * x]])
    moved = root - linear @ (first, rows / 2)
    corners = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)]) @ linear.T + moved
    box = bounding_box(corners)
    left, top = max(0, int(box.x1)), max(0, int(box.y1))
    window = picture[top : max(top, int(box.y2) + 1), left : max(left, int(box.x2) + 1)]
    if not window.size:
        return
    matrix = np.column_stack([linear, moved - (left, top)])
    seen = cv2.warpAffine(sprite.colours, matrix, window.shape[1::-1], borderValue=(0, 0, 0, 255))
    left_over = cv2.merge([cv2.extractChannel(seen, 3)] * 3)
    window[:] = cv2.add(
        cv2.multiply(window, left_over, scale=1 / 255), cv2.cvtColor(seen, cv2.COLOR_RGBA2RGB)
    )


def _drawn(finger: Finger, height: float, tone: NDArray[np.float64], rng: np.random.Generator) -> _Sprite:
    radius = max(1.5, finger.thick * height / 2)
    long = max(2.0, float(np.hypot(*np.subtract(finger.tip, finger.root))) * height / radius)
    rows = round(2 * (float(_width(np.array(long))) + _BESIDE) * radius)
    columns = round((long + 2 * _BESIDE) * radius)
    y, x = (np.mgrid[0:rows, 0:columns] + 0.5) / radius
    behind, across = long + _BESIDE - x, y - rows / radius / 2  # of the tip, 0; of the middle line, -1 to 1
    over = np.clip(np.maximum(1 - behind, behind - long + 1), 0, None)
    away = np.hypot(over, across) / _width(behind)
    inside = np.clip((1 - away) * radius / 1.5 + 0.5, 0, 1)
    shadow = np.asarray(cv2.GaussianBlur(np.roll(inside, round(0.2 * radius), 0), (0, 0), 0.35 * radius))
    shown = _skin(behind, across, away, tone, rng) * inside[..., None]
    left_over = 255 * (1 - inside) * (1 - _SHADOW * shadow)
    colours = np.clip(np.dstack([shown, left_over]), 0, 255).astype(np.uint8)
    return _Sprite(colours, (_BESIDE * radius, (long + _BESIDE) * radius))


def _width(behind: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the width so far behind the tip."""
    share = np.clip((behind - _HEEL) / _SLOPE, 0, 1)
    return 0.9 + 0.05 * np.clip(behind, 0, 4) / 2 + _WIDE * share**2 * (3 - 2 * share)


def _skin(
    behind: NDArray[np.float64],
    across: NDArray[np.float64],
    away: NDArray[np.float64],
    tone: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Round, lit from above, redder where it is dark and at its tip; with a nail and folds at the joint."""
    facing = np.sqrt(np.clip(1 - away**2, 0, 1))
    light = 0.42 + 0.6 * np.clip(0.85 * facing - 0.35 * across / _width(behind), 0, None)
    for fold in (3.2, 3.5, 3.9):
        light *= 1 - 0.08 * np.exp(-(((behind - fold) / 0.09) ** 2))
    mottled = np.asarray(cv2.GaussianBlur(rng.normal(0, 1, away.shape), (0, 0), 2.5))
    light *= 1 + 0.25 * mottled + rng.normal(0, 0.012, away.shape)
    nail = np.clip(6 * (1 - np.hypot((behind - 1.05) / 0.7, across / 0.56)), 0, 1)
    light *= 1 - 0.5 * nail * (1 - nail)  # its rim
    red = np.clip(1 - behind / 3, 0, 1)[..., None] * (0.06, -0.04, -0.04)
    colour = tone * (1 + red) + nail[..., None] * (0.25 * np.array([238, 205, 195]) - 0.2 * tone)
    return np.asarray(colour * light[..., None] ** (0.85, 1.0, 1.08), np.float64)
