"""Test variant of a live face swap: another person's face warped over a moving one; low-tech by design."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.types import LANDMARKS, Picture, require_shape
from guard.simulate.testing.lattice import laid, looked_up, window_about
from guard.simulate.testing.material import Points
from guard.simulate.testing.mesh import FEATURES, INNER_LIPS, OVAL
from guard.simulate.warp import require_picture

_ANCHORS = np.array(OVAL + INNER_LIPS + FEATURES)
_SAME_POINT_PX = 0.01
_FLAT_PX2 = 1e-3
_SMALLEST_PX = 8
"""Side of the window about the face; a smaller one does not matter."""

_FINE_PX = 150
"""Faces about so high are warped pixel by pixel; on larger ones every second, or third, is enough."""


@dataclass(frozen=True, slots=True)
class SwapStyle:
    """How well the swap is made."""

    feather: float = 0.07
    """Softness of the mask's edge as a share of the face's height."""
    inset: float = 0.03
    """How far inside the face's outline the mask ends, as a share of the face's height."""
    colour: float = 0.85
    """How far the source's colours are drawn to the target's, 0..1."""
    jitter: float = 0.006
    """Trembling of the landmarks as a share of the face's height, standard deviation."""
    detail_px: int = 96
    """Height in px at which the swapped face is made, before it is scaled onto the target."""


class FaceSwap:
    """Puts one source face onto the face of each target frame handed in."""

    def __init__(
        self, source: Picture, source_points: Points, seed: int, style: SwapStyle | None = None
    ) -> None:
        """``source``: RGB picture; ``source_points``: its landmarks, float32 (478, 2) px."""
        require_picture("FaceSwap", source)
        require_shape("FaceSwap.source_points", source_points, (LANDMARKS, 2), np.float32)
        self._style = style or SwapStyle()
        self._rng = np.random.default_rng(seed)
        self._source, self._anchors = _at_detail(source, source_points[_ANCHORS], self._style.detail_px)
        self._triangles = _triangulate(self._anchors)
        self._statistics = _statistics(self._source, _hull_mask(self._source, self._anchors))
        self._tremble = np.zeros((len(_ANCHORS), 2), np.float32)

    def apply(self, target: Picture, target_points: Points) -> Picture:
        """A new picture: ``target`` with the swapped face, where its landmarks, float32 (478, 2) px, are.

        Landmarks may lie outside of the picture; a face wholly outside changes nothing.
        """
        require_picture("FaceSwap", target)
        require_shape("FaceSwap.target_points", target_points, (LANDMARKS, 2), np.float32)
        anchors = target_points[_ANCHORS]
        height = float(np.ptp(anchors[:, 1]))
        window = window_about(target, anchors, 0.1, _SMALLEST_PX)
        result = target.copy()
        if window is None:
            return result
        rows, columns = window
        below = target[rows, columns]
        local = anchors - np.array([columns.start, rows.start], np.float32)
        swapped = self._warp(local + self._jitter(height), below.shape[:2])
        swapped = self._recolour(swapped, below, _hull_mask(below, local))
        shares = self._mask(local, below.shape[:2], height)
        result[rows, columns] = laid(swapped, below, shares)
        return result

    def _jitter(self, height: float) -> NDArray[np.float32]:
        """The landmarks' error in this frame: half of it stays from frame to frame."""
        fresh = self._rng.normal(0, self._style.jitter * height, self._tremble.shape)
        self._tremble = (0.6 * self._tremble + 0.8 * fresh).astype(np.float32)
        return self._tremble

    def _warp(self, anchors: NDArray[np.float32], shape: tuple[int, int]) -> Picture:
        """The source's face in the target's geometry: piecewise affine over the triangles, one remap."""
        step = max(1, round(float(np.ptp(anchors[:, 1])) / _FINE_PX))
        anchors = (anchors + 0.5) / np.float32(step) - 0.5
        rows, columns = (-(-side // step) for side in shape)
        numbers = np.zeros((rows, columns), np.int32)
        corners = np.rint(anchors[self._triangles] * 16).astype(np.int32)
        for number, triangle in enumerate(corners, start=1):
            cv2.fillConvexPoly(numbers, triangle, number, shift=4)
        affine = _affine_maps(anchors[self._triangles], self._anchors[self._triangles])
        chosen = np.concatenate([np.zeros((1, 2, 3), np.float32), affine])[numbers]
        x, y = np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32)
        maps = chosen[..., 0] * x[:, None] + chosen[..., 1] * y[:, None, None] + chosen[..., 2]
        if step > 1:
            whole = columns * step, rows * step
            maps = np.asarray(cv2.resize(maps, whole, interpolation=cv2.INTER_LINEAR))[: shape[0], : shape[1]]
        return looked_up(self._source, np.asarray(maps, np.float32), cv2.BORDER_CONSTANT)

    def _recolour(self, swapped: Picture, below: Picture, face: NDArray[np.uint8]) -> Picture:
        """Draw mean and spread of each colour to those of the face below (after Reinhard et al., 2001)."""
        mean, spread = self._statistics
        wanted_mean, wanted_spread = _statistics(below, face)
        gain = 1 + self._style.colour * (np.clip(wanted_spread / spread, 0.5, 2.0) - 1)
        shifted = mean + self._style.colour * (wanted_mean - mean)
        table = (np.arange(256)[:, None] - mean) * gain + shifted
        return np.asarray(cv2.LUT(swapped, np.clip(table, 0, 255).astype(np.uint8)[None]), np.uint8)

    def _mask(
        self, anchors: NDArray[np.float32], shape: tuple[int, int], height: float
    ) -> NDArray[np.float32]:
        """Share of the swapped face, 0..1: feathered inside the outline; the target keeps its open mouth."""
        oval, lips = anchors[: len(OVAL)], anchors[len(OVAL) : len(OVAL) + len(INNER_LIPS)]
        middle = oval.mean(axis=0)
        inner = middle + (oval - middle) * (1 - 2 * (self._style.inset + self._style.feather / 2))
        softness = self._style.feather * height / 2
        step = max(1, int(softness / 3))
        mask = np.zeros([-(-side // step) for side in shape], np.float32)
        hull = (cv2.convexHull(inner) + 0.5) / step - 0.5
        cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 1.0)
        small = np.asarray(cv2.GaussianBlur(mask, (0, 0), softness / step))
        whole = mask.shape[1] * step, mask.shape[0] * step
        soft = small if step == 1 else np.asarray(cv2.resize(small, whole))[: shape[0], : shape[1]]
        mouth = np.zeros(shape, np.float32)
        cv2.fillPoly(mouth, [np.rint(lips).astype(np.int32)], 1.0)
        return np.asarray(soft * (1 - cv2.GaussianBlur(mouth, (0, 0), 0.012 * height)), np.float32)


def _at_detail(
    source: Picture, anchors: NDArray[np.float32], height: int
) -> tuple[Picture, NDArray[np.float32]]:
    """The source's face, cut out and scaled so that it measures ``height`` px, and its anchors there."""
    low, high = anchors.min(axis=0), anchors.max(axis=0)
    scale = height / float(high[1] - low[1])
    margin = 2.0
    size = tuple(np.ceil((high - low) * scale + 2 * margin).astype(int).tolist())
    offset = margin - low * scale
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    sigma = max(0.01, 0.5 * (1 / scale - 1))  # no aliasing where it shrinks
    smooth = cv2.GaussianBlur(source, (0, 0), sigma) if scale < 1 else source
    cut = cv2.warpAffine(smooth, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8), (anchors * scale + offset).astype(np.float32)


def _triangulate(points: NDArray[np.float32]) -> NDArray[np.intp]:
    """Delaunay triangles (n, 3) as indices into ``points``."""
    low, high = points.min(axis=0) - 2, points.max(axis=0) + 2
    division = cv2.Subdiv2D((int(low[0]), int(low[1]), int(high[0] - low[0]) + 2, int(high[1] - low[1]) + 2))
    division.insert(points.tolist())
    corners = np.asarray(division.getTriangleList()).reshape(-1, 3, 2)
    distance = np.linalg.norm(corners[:, :, None] - points[None, None], axis=3)
    inside = (distance.min(axis=2) < _SAME_POINT_PX).all(
        axis=1
    )  # the others hang on the outer frame of Subdiv2D
    return np.asarray(distance[inside].argmin(axis=2), np.intp)


def _affine_maps(source: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Affine maps (n, 2, 3) that carry triangles (n, 3, 2) onto others; flat ones map to a middle."""
    homogeneous = np.concatenate([source, np.ones((*source.shape[:2], 1), np.float32)], axis=2)
    flat = np.abs(np.linalg.det(homogeneous)) < _FLAT_PX2
    homogeneous[flat] = np.eye(3)
    maps = np.asarray(np.linalg.solve(homogeneous, target).transpose(0, 2, 1), np.float32)
    maps[flat] = 0
    maps[flat, :, 2] = target[flat].mean(axis=1)
    return maps


def _hull_mask(picture: Picture, points: NDArray[np.float32]) -> NDArray[np.uint8]:
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(cv2.convexHull(points)).astype(np.int32), 255)
    return mask


def _statistics(picture: Picture, mask: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of each colour inside a mask."""
    mean, spread = cv2.meanStdDev(picture, mask=mask)
    return np.asarray(mean, np.float64).ravel(), np.asarray(spread, np.float64).ravel().clip(1.0)
