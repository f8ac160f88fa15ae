"""Bona fide species: a blurred and a virtual background as calls offer them, errors of the matte included.

The matte is a guess: head and shoulders by the landmarks, mended by the colours found inside and outside.
"""

from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.geometry import bounding_box
from guard.core.types import Picture
from guard.simulate.extend import ExtendedFrame
from guard.simulate.testing.lattice import laid
from guard.simulate.testing.material import Person, Points
from guard.simulate.testing.mesh import CHIN, FOREHEAD, OVAL

_WIDTH = 160
"""Columns of the matte; calls find theirs on pictures as small."""

_BINS = 12
"""Steps of each colour in the two histograms."""


class OtherBackground:
    """Puts another background behind the person of an extended clip; each picture's matte is found once."""

    def __init__(
        self, person: Person, kind: Literal["blur", "virtual"], size: tuple[int, int], seed: int
    ) -> None:
        """``size``: (width, height) of the frames that will come."""
        self._person = person
        self._mattes: dict[int, NDArray[np.float32]] = {}
        rng = np.random.default_rng(seed)
        self._behind = office(size, rng) if kind == "virtual" else None

    def apply(self, made: ExtendedFrame) -> Picture:
        """The frame with its new background."""
        picture = made.picture
        behind = _blurred(picture) if self._behind is None else self._behind
        small = self._matte(made.source_index)
        rows, columns = self._person.clip[0].shape[:2]
        shrink = np.diag([columns / small.shape[1], rows / small.shape[0]])
        matrix = np.column_stack([made.matrix[:, :2] @ shrink, made.matrix[:, 2]])
        size = picture.shape[1], picture.shape[0]
        share = cv2.warpAffine(small, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return laid(picture, behind, np.asarray(share, np.float32))

    def _matte(self, index: int) -> NDArray[np.float32]:
        if index not in self._mattes:
            self._mattes[index] = matte(self._person.clip[index], self._person.points[index])
        return self._mattes[index]


def matte(picture: Picture, points: Points) -> NDArray[np.float32]:
    """Share of the person in a small copy of a picture, float32 of 160 columns, 0..1."""
    scale = _WIDTH / picture.shape[1]
    size = _WIDTH, max(2, round(picture.shape[0] * scale))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    prior = _outline(points * np.float32(scale), size)
    logit = 6 * (prior - 0.5) + _by_colour(small, prior)
    soft = cv2.GaussianBlur(1 / (1 + np.exp(-1.6 * logit)), (0, 0), 1.3)
    return np.asarray(np.clip((soft - 0.5) * 2.2 + 0.5, 0, 1), np.float32)


def _outline(points: Points, size: tuple[int, int]) -> NDArray[np.float32]:
    """Head with hair, neck and shoulders, soft where it is unsure."""
    face = bounding_box(points[list(OVAL)])
    height = face.height
    up = points[FOREHEAD] - points[CHIN]
    middle = points[list(OVAL)].mean(axis=0) + 0.1 * up
    mask = np.zeros(size[::-1], np.float32)
    tilt = float(np.degrees(np.arctan2(up[0], -up[1])))
    head = float(middle[0]), float(middle[1])
    cv2.ellipse(mask, (head, (1.02 * face.width + 0.2 * height, 1.36 * height), tilt), 1.0, cv2.FILLED)
    steps = np.array([(0.3, -0.35), (0.36, 0.16), (0.8, 0.36), (1.12, 0.7), (1.2, 6.0)]) * height
    sides = np.concatenate([steps, (steps * (-1, 1))[::-1]])
    cv2.fillPoly(mask, [np.rint(sides + points[CHIN]).astype(np.int32)], 1.0)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.11 * height), np.float32)


def _by_colour(small: Picture, prior: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-odds of the person by colour alone, smooth in the plane."""
    bins = (small // (256 // _BINS + 1)).astype(np.int32)
    number = (bins[..., 0] * _BINS + bins[..., 1]) * _BINS + bins[..., 2]
    counts = [
        np.bincount(number.ravel(), weights.ravel(), _BINS**3) + 0.5
        for weights in (np.clip(2 * prior - 1, 0, 1), np.clip(1 - 2 * prior, 0, 1))
    ]
    odds = np.log(counts[0] / counts[0].sum()) - np.log(counts[1] / counts[1].sum())
    return np.asarray(cv2.GaussianBlur(np.clip(odds[number], -3.0, 3.0), (0, 0), 1.0), np.float32)


def _blurred(picture: Picture) -> Picture:
    """The picture out of focus."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), height / 120)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def office(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """A drawn room: wall, window with a sky, shelves with books."""
    width, height = size
    fall = np.linspace(1.06, 0.86, height)[:, None, None]
    tint = np.array([214, 208, 198]) * rng.uniform(0.85, 1.1)
    wall = np.clip(np.repeat(fall * tint, width, axis=1), 0, 255).astype(np.uint8)
    left = rng.choice([0.02, 0.64]) * width
    _window_with_sky(wall, (round(left), round(0.1 * height)), (round(0.3 * width), round(0.42 * height)))
    shelf = 0.7 * width - left
    for level in (0.3, 0.55, 0.8):
        y = round(level * height)
        for box, colour in _books(round(shelf), y, round(0.26 * width), 0.15 * height, rng):
            cv2.rectangle(wall, *box, colour, cv2.FILLED)
        cv2.rectangle(
            wall, (round(shelf), y), (round(shelf + 0.26 * width), y + 5), (120, 88, 60), cv2.FILLED
        )
    return np.asarray(cv2.GaussianBlur(wall, (0, 0), 0.8), np.uint8)


def _window_with_sky(wall: Picture, corner: tuple[int, int], size: tuple[int, int]) -> None:
    (x, y), (width, height) = corner, size
    pane = wall[y : y + height, x : x + width]
    down = np.linspace(0, 1, pane.shape[0])[:, None, None]
    pane[:] = np.array([150, 190, 232]) * (1 - down) + np.array([226, 236, 244]) * down
    for share in (0.0, 0.5, 1.0):
        across = round(x + share * width)
        cv2.line(wall, (across, y), (across, y + height), (244, 244, 240), 6)
    for edge in (y, y + height):
        cv2.line(wall, (x, edge), (x + width, edge), (244, 244, 240), 6)


def _books(
    x: int, bottom: int, width: int, tallest: float, rng: np.random.Generator
) -> Iterator[tuple[tuple[tuple[int, int], tuple[int, int]], tuple[int, int, int]]]:
    """Boxes, corner and corner, and colours from left to right."""
    end = x + width
    while x < end - 6:
        thick = min(int(rng.integers(6, 16)), end - x)
        tall = round(tallest * rng.uniform(0.6, 1.0))
        red, green, blue = rng.integers(50, 190, 3).tolist()
        yield ((x, bottom - tall), (x + thick - 2, bottom)), (red, green, blue)
        x += thick
