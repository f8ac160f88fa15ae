"""Training variant of a reenactment: a still face, bent to another expression and pose."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.errors import ShapeError
from guard.simulate.training.pictures import (
    Picture,
    Points,
    chance,
    check_picture,
    check_points,
)

_CELLS = 33
"""The bend is worked out at so many places across and down, and is smooth between them."""

_FEWEST = 387
"""Landmarks, up to the last that is asked for here."""


class _Pull(NamedTuple):
    """A place of the face that an expression moves, as shares of the face's extent."""

    landmark: int
    """Of MediaPipe's face mesh."""
    reach: float
    """Standard deviation of the Gaussian in which the skin follows."""
    across: tuple[float, float]
    """Least and most, away from the middle of the face."""
    down: tuple[float, float]


_CHIN, _LOWER_LIP = _Pull(152, 0.15, (0, 0), (-0.02, 0.07)), _Pull(17, 0.07, (0, 0), (-0.02, 0.05))
_CORNERS = [_Pull(at, 0.08, (-0.025, 0.035), (-0.035, 0.025)) for at in (61, 291)]
_LIDS = [_Pull(at, 0.035, (0, 0), (-0.012, 0.035)) for at in (159, 386)]
_BROWS = [_Pull(at, 0.09, (-0.01, 0.01), (-0.035, 0.025)) for at in (105, 334)]
_TURN = 0.06
"""Most that the nearest part of the face moves when the head is turned or nods."""


def reenacted(picture: Picture, points: Points, rng: np.random.Generator) -> Picture:
    """Bend a face to another expression and pose.

    ``picture`` is uint8 RGB, ``points`` the landmarks of MediaPipe's face mesh in its pixels. Nothing is
    drawn anew, as in the cheapest reenactment: skin is stretched where a face would show something else.

    Raises:
        ShapeError: no RGB picture, or not the landmarks of that mesh.
    """
    check_picture(picture)
    check_points(points)
    if len(points) < _FEWEST:
        raise ShapeError(f"expected the landmarks of a face mesh ({_FEWEST} or more), came {len(points)}")
    height, width = picture.shape[:2]
    extent = float(np.ptp(points[:, :2], axis=0).max())
    bend = cv2.resize(
        _bend(points[:, :2], (height, width), extent, rng), (width, height), interpolation=cv2.INTER_CUBIC
    )
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    bent = cv2.remap(
        picture,
        columns - bend[..., 0],
        rows - bend[..., 1],
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(bent, np.uint8)


def _bend(
    points: Points, shape: tuple[int, int], extent: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Pixels across and down by which each place has moved, float32 (cells, cells, 2)."""
    y, x = ((np.arange(_CELLS) + 0.5) / _CELLS * side - 0.5 for side in shape)
    places = np.stack(np.meshgrid(x, y), axis=-1)
    least, most = points.min(axis=0), points.max(axis=0)
    from_middle = (places - (least + most) / 2) / np.maximum((most - least) / 2, 1)
    nearness = np.clip(1 - (from_middle**2).sum(axis=-1), 0, 1)
    moved = nearness[..., np.newaxis] * rng.uniform(-_TURN, _TURN, 2) * extent
    for pull in _expression(rng):
        away = places - points[pull.landmark]
        follows = np.exp(-0.5 * (away**2).sum(axis=-1) / (pull.reach * extent) ** 2)
        side = np.sign(points[pull.landmark, 0] - (least[0] + most[0]) / 2)
        step = np.array([side * rng.uniform(*pull.across), rng.uniform(*pull.down)]) * extent
        moved += follows[..., np.newaxis] * step
    return np.asarray(moved, np.float32)


def _expression(rng: np.random.Generator) -> list[_Pull]:
    """The mouth always, lids and brows at times."""
    pulls = [_CHIN, _LOWER_LIP, *_CORNERS]
    pulls += _LIDS if chance(rng, 0.6) else []
    return pulls + (_BROWS if chance(rng, 0.6) else [])
