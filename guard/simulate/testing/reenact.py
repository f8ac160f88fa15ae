"""Test variant of a reenactment: a still photo that moves as the landmarks of a driving clip do."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.geometry import bounding_box
from guard.core.types import Picture
from guard.simulate.extend import walk
from guard.simulate.testing.lattice import Lattice, laid, looked_up
from guard.simulate.testing.material import Points, Still
from guard.simulate.testing.mesh import FEATURES, INNER_LIPS, OVAL
from guard.simulate.testing.photo import portrait_window

_ANCHORS = np.array(OVAL + FEATURES + INNER_LIPS)
_BORDER = 7
"""Points held still on each side of the photo."""

_STIFFNESS = 2e-3
_ROUNDS = 5
_OPEN = 0.02
"""Lips further apart than this share of the face's height show what is behind them."""


class Reenactment(Iterator[Picture]):
    """Endless frames of a photo driven by another face: lips, lids, brows, head move, and what is behind too.

    The warp is a thin-plate spline through the landmarks; its weights for every pixel are worked out once.
    """

    def __init__(
        self, photo: Still, driver: Sequence[Points], size: tuple[int, int], seed: int, *, fps: float = 30.0
    ) -> None:
        """``driver``: landmarks of each picture of a clip, which wanders in time."""
        self._photo, self._points = _framed(photo, size)
        self._height = bounding_box(self._points).height
        self._moves = _moves(driver, self._height)
        self._walk = walk(len(driver), np.random.default_rng(seed), fps)
        self._lattice = Lattice(size, 4)
        self._weights = _spline(self._points[_ANCHORS], size, self._lattice.points, self._height)

    def __next__(self) -> Picture:
        """The next frame."""
        move = self._moves[next(self._walk)]
        shape = self._lattice.points.shape
        shifts = (self._weights @ move[_ANCHORS]).reshape(shape).astype(np.float32)
        where = self._lattice.points
        for _ in range(_ROUNDS):  # the spline tells where a place goes; wanted is where one came from
            where = self._lattice.points - self._lattice.at(shifts, where)
        made = looked_up(self._photo, self._lattice.spread(where), cv2.BORDER_REFLECT_101)
        return self._with_mouth(made, move)

    def _with_mouth(self, picture: Picture, move: Points) -> Picture:
        """Teeth and dark between lips that have parted further than the photo's are."""
        lips = (self._points + move)[list(INNER_LIPS)]
        apart = _gap(lips) - _gap(self._points[list(INNER_LIPS)])
        low, high = np.floor(lips.min(axis=0)).astype(int) - 2, np.ceil(lips.max(axis=0)).astype(int) + 3
        inside = (low >= 0).all() and (high < np.array(picture.shape[1::-1])).all()
        if apart < _OPEN * self._height or not inside:
            return picture
        window = picture[low[1] : high[1], low[0] : high[0]]
        mask = np.zeros(window.shape[:2], np.float32)
        cv2.fillPoly(mask, [np.rint((lips - low) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        share = 0.92 * np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.008 * self._height), np.float32)
        window[:] = laid(_mouth(window), window.copy(), share)
        return picture


def _framed(photo: Still, size: tuple[int, int]) -> tuple[Picture, Points]:
    """The photo about its face in this size, and its landmarks there."""
    face = bounding_box(photo.points)
    rows, columns = portrait_window(photo.picture.shape, face, size[0] / size[1], 0.42)
    cut = photo.picture[rows, columns]
    method = cv2.INTER_AREA if cut.shape[0] > size[1] else cv2.INTER_CUBIC
    scale = np.array(size) / cut.shape[1::-1]
    moved = (photo.points - (columns.start, rows.start)) * scale
    return np.asarray(cv2.resize(cut, size, interpolation=method), np.uint8), moved.astype(np.float32)


def _moves(driver: Sequence[Points], height: float) -> list[Points]:
    """How each landmark is off its usual place, in px of a face of this height."""
    usual = np.median(driver, axis=0)
    scale = height / bounding_box(usual).height
    return [np.asarray((points - usual) * scale, np.float32) for points in driver]


def _spline(
    anchors: Points, size: tuple[int, int], at: NDArray[np.float32], unit: float
) -> NDArray[np.float32]:
    """(places, anchors): by how much each place moves with each anchor, the photo's border held still."""
    fixed = np.concatenate([anchors, _border(size)]) / unit
    count = len(fixed)
    affine = np.column_stack([np.ones(count), fixed])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(fixed, fixed) + _STIFFNESS * np.eye(count)
    system[:count, count:], system[count:, :count] = affine, affine.T
    solved = np.linalg.solve(system, np.eye(count + 3)[:, : len(anchors)])
    places = at.reshape(-1, 2) / unit
    row = np.column_stack([_kernel(places, fixed), np.ones(len(places)), places])
    return np.asarray(row @ solved, np.float32)


def _kernel(places: NDArray[np.floating], centres: NDArray[np.floating]) -> NDArray[np.float64]:
    """r^2 log r of a thin plate."""
    square = ((places[:, None] - centres[None]) ** 2).sum(axis=2)
    return np.asarray(0.5 * square * np.log(np.maximum(square, 1e-9)), np.float64)


def _border(size: tuple[int, int]) -> Points:
    """Points along the four sides."""
    share = np.linspace(0, 1, _BORDER)
    ends = [np.column_stack([share, np.full(_BORDER, end)]) for end in (0, 1)]
    sides = [np.column_stack([np.full(_BORDER - 2, end), share[1:-1]]) for end in (0, 1)]
    return np.asarray(np.concatenate(ends + sides) * size, np.float32)


def _gap(lips: Points) -> float:
    """Height of the opening in the middle, px; the places are those of ``INNER_LIPS``."""
    return float(lips[5, 1] - lips[15, 1])


def _mouth(window: Picture) -> Picture:
    """The inside of a mouth: upper teeth in the shade of the lip, then dark."""
    rows, columns = window.shape[:2]
    down = np.linspace(0, 1, rows)[:, None, None]
    across = np.linspace(-1, 1, columns)[None, :, None]
    teeth = np.clip((0.42 - np.abs(down - 0.3)) * 8, 0, 1) * np.clip(1.5 - 1.6 * np.abs(across), 0, 1)
    light = float(window.mean()) / 128
    colours = np.array([46, 22, 22]) * (1 - teeth) + np.array([158, 146, 138]) * teeth
    return np.clip(colours * light, 0, 255).astype(np.uint8)
