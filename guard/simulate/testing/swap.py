"""Test variant of a live face swap: another person's face warped over a moving one; low-tech by design."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.types import LANDMARKS, Picture, require_shape
from guard.simulate.warp import require_picture

Points = NDArray[np.float32]
"""Landmarks of one face, float32 (478, 2), x and y in px."""

# Indices into MediaPipe's face mesh (its face_mesh_connections and canonical face model).
_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
_FEATURES = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,  # lips
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,  # one eye
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466,  # the other
    70, 63, 105, 66, 107, 55, 52, 46, 300, 293, 334, 296, 336, 285, 282, 276,  # brows
    168, 197, 5, 4, 1, 2, 98, 327, 129, 358, 48, 278,  # nose
    50, 280, 205, 425, 187, 411, 118, 347, 101, 330, 147, 376, 207, 427, 212, 432, 151, 69, 299,  # skin
)  # fmt: skip
_ANCHORS = np.array(_OVAL + _INNER_LIPS + _FEATURES)
_SAME_POINT_PX = 0.01
_FLAT_PX2 = 1e-3


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
        window = _window(target, anchors, height)
        result = target.copy()
        if window is None:
            return result
        rows, columns = window
        below = target[rows, columns]
        local = anchors - np.array([columns.start, rows.start], np.float32)
        swapped = self._warp(local + self._jitter(height), below.shape[:2])
        swapped = self._recolour(swapped, below, _hull_mask(below, local))
        shares = self._mask(local, below.shape[:2], height)
        result[rows, columns] = cv2.blendLinear(swapped, below, shares, 1 - shares)
        return result

    def _jitter(self, height: float) -> NDArray[np.float32]:
        """The landmarks' error in this frame: half of it stays from frame to frame."""
        fresh = self._rng.normal(0, self._style.jitter * height, self._tremble.shape)
        self._tremble = (0.6 * self._tremble + 0.8 * fresh).astype(np.float32)
        return self._tremble

    def _warp(self, anchors: NDArray[np.float32], shape: tuple[int, int]) -> Picture:
        """The source's face in the target's geometry: piecewise affine over the triangles, one remap."""
        numbers = np.zeros(shape, np.int32)
        corners = np.rint(anchors[self._triangles] * 16).astype(np.int32)
        for number, triangle in enumerate(corners, start=1):
            cv2.fillConvexPoly(numbers, triangle, number, shift=4)
        affine = _affine_maps(anchors[self._triangles], self._anchors[self._triangles])
        chosen = np.concatenate([np.zeros((1, 2, 3), np.float32), affine])[numbers]
        y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        maps = chosen[..., 0] * x[..., None] + chosen[..., 1] * y[..., None] + chosen[..., 2]
        return np.asarray(cv2.remap(self._source, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR), np.uint8)

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
        oval, lips = anchors[: len(_OVAL)], anchors[len(_OVAL) : len(_OVAL) + len(_INNER_LIPS)]
        middle = oval.mean(axis=0)
        inner = middle + (oval - middle) * (1 - 2 * (self._style.inset + self._style.feather / 2))
        mask = np.zeros(shape, np.float32)
        cv2.fillConvexPoly(mask, np.rint(cv2.convexHull(inner)).astype(np.int32), 1.0)
        soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), self._style.feather * height / 2))
        mouth = np.zeros(shape, np.float32)
        cv2.fillPoly(mouth, [np.rint(lips).astype(np.int32)], 1.0)
        return np.asarray(soft * (1 - cv2.GaussianBlur(mouth, (0, 0), 0.012 * height)), np.float32)


def swap(
    target: Picture,
    target_points: Points,
    source: Picture,
    source_points: Points,
    *,
    seed: int = 0,
    style: SwapStyle | None = None,
) -> Picture:
    """Swap a single picture; arguments as of ``FaceSwap`` and its ``apply``."""
    return FaceSwap(source, source_points, seed, style).apply(target, target_points)


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
    """Affine maps (n, 2, 3) that carry triangles (n, 3, 2) onto others; flat triangles map to nowhere."""
    homogeneous = np.concatenate([source, np.ones((*source.shape[:2], 1), np.float32)], axis=2)
    flat = np.abs(np.linalg.det(homogeneous)) < _FLAT_PX2
    homogeneous[flat] = np.eye(3)
    return np.asarray(np.linalg.solve(homogeneous, target).transpose(0, 2, 1), np.float32)


def _window(target: Picture, anchors: NDArray[np.float32], height: float) -> tuple[slice, slice] | None:
    """Rows and columns of the picture about the face; None where they are too few to matter."""
    margin = 0.1 * height
    left, top = np.floor(anchors.min(axis=0) - margin).astype(int).clip(0).tolist()
    right, bottom = np.ceil(anchors.max(axis=0) + margin).astype(int).tolist()
    rows, columns = slice(top, min(bottom, target.shape[0])), slice(left, min(right, target.shape[1]))
    smallest = 8
    if rows.stop - rows.start < smallest or columns.stop - columns.start < smallest:
        return None
    return rows, columns


def _hull_mask(picture: Picture, points: NDArray[np.float32]) -> NDArray[np.uint8]:
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(cv2.convexHull(points)).astype(np.int32), 255)
    return mask


def _statistics(picture: Picture, mask: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of each colour inside a mask."""
    mean, spread = cv2.meanStdDev(picture, mask=mask)
    return np.asarray(mean, np.float64).ravel(), np.asarray(spread, np.float64).ravel().clip(1.0)
