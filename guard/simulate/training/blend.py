"""Training variants of face manipulation: self-blended pictures and landmark swaps between people.

Self-blending follows the idea of Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR
2022: a face blended with a slightly altered copy of itself shows the traces of any swap and of no generator.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.pictures import (
    FEWEST_POINTS,
    Mask,
    Picture,
    Points,
    blur,
    chance,
    check_picture,
    check_points,
    mix,
    recolour,
    resize,
    smooth_noise,
    to_bytes,
    to_mask,
)


def hull_mask(points: Points, shape: tuple[int, int], rng: np.random.Generator) -> Mask:
    """A soft, irregular mask of a face or a part of it, about the convex hull of its landmarks.

    Shrunk or grown, sometimes cut to the upper or lower face, warped elastically, blurred, strength 0.5..1.
    """
    check_points(points)
    region = _part(points[:, :2].astype(np.float32), rng)
    centre = region.mean(axis=0)
    region = (region - centre) * rng.uniform(0.75, 1.04, 2).astype(np.float32) + centre
    mask = np.zeros(shape, np.float32)
    cv2.fillConvexPoly(mask, np.rint(cv2.convexHull(region)).astype(np.int32), 1.0)
    extent = float(np.ptp(region, axis=0).max())
    mask = _warp(mask, extent * rng.uniform(0, 0.06), rng)
    soft = blur(mask, extent * rng.uniform(0.01, 0.07))
    if chance(rng, 0.5):  # push the soft edge inwards: nothing outside the hull changes
        soft = to_mask(soft * 2 - 1)
    strength = rng.choice([0.5, 0.75, 1.0, 1.0, 1.0, 1.0])
    return to_mask(soft * strength)


def self_blend(picture: Picture, points: Points, rng: np.random.Generator) -> tuple[Picture, Mask]:
    """Blend a face with an altered copy of itself; return it and the mask of what was altered.

    ``picture`` is uint8 RGB, ``points`` its landmarks in pixels.
    """
    check_picture(picture)
    mask = hull_mask(points, picture.shape[:2], rng)
    altered, base = _alter(picture, rng), picture
    if chance(rng, 0.5):
        altered, base = base, altered
    extent = float(np.ptp(points[:, :2], axis=0).max())
    moved = _jitter(altered, points[:, :2].mean(axis=0), extent, rng)
    return mix(base, moved, mask), mask


def landmark_swap(
    target: Picture, target_points: Points, source: Picture, source_points: Points, rng: np.random.Generator
) -> tuple[Picture, Mask]:
    """Lay the face of ``source`` over ``target`` by their landmarks; return it and the mask.

    Both are uint8 RGB with landmarks of equal number in pixels. The source is fitted by one map, affine or
    bent to the target's expression, brought to its colours and, at times, to a swap network's coarse detail.
    """
    check_picture(target)
    check_picture(source)
    if chance(rng, 0.5):
        fitted, inside = _bent(source, source_points[:, :2], target_points[:, :2], target.shape[:2])
    else:
        fitted, inside = _laid(source, source_points[:, :2], target_points[:, :2], target.shape[:2], rng)
    mask = hull_mask(target_points, target.shape[:2], rng) * inside
    matched = match_colours(fitted, target, mask, rng.uniform(0.5, 1.0))
    extent = float(np.ptp(target_points[:, :2], axis=0).max())
    coarse = _coarsen(matched, extent, rng) if chance(rng, 0.6) else matched
    return mix(target, coarse, mask), mask


def difference_mask(original: Picture, altered: Picture) -> Mask:
    """Where a picture was altered, by its original in the very same framing; coding noise apart."""
    check_picture(original)
    difference = cv2.absdiff(original, altered).max(axis=2).astype(np.float32)
    return to_mask((blur(difference, original.shape[1] / 32) - 3.0) / 5.0)


def part_swap(
    original: Picture, altered: Picture, points: Points, rng: np.random.Generator
) -> tuple[Picture, Mask]:
    """Lay a part of a ready swap over its original anew; return it and the mask of what was altered."""
    mask = hull_mask(points, original.shape[:2], rng)
    return mix(original, altered, mask), to_mask(mask * difference_mask(original, altered))


def match_colours(picture: Picture, like: Picture, mask: Mask, strength: float) -> Picture:
    """Give ``picture`` mean and spread of ``like`` inside ``mask``, in Lab (Reinhard et al., 2001)."""
    inside = mask > 0.5 * float(mask.max())
    if not inside.any():
        return picture
    ours = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    theirs = cv2.cvtColor(like, cv2.COLOR_RGB2LAB).astype(np.float32)
    spread = theirs[inside].std(axis=0) / np.maximum(ours[inside].std(axis=0), 1.0)
    moved = (ours - ours[inside].mean(axis=0)) * np.clip(spread, 0.5, 2.0) + theirs[inside].mean(axis=0)
    return np.asarray(cv2.cvtColor(to_bytes(ours + strength * (moved - ours)), cv2.COLOR_LAB2RGB), np.uint8)


def _part(points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """All landmarks, or those of the upper or the lower two thirds, at least three of them."""
    if chance(rng, 0.7):
        return points
    limit = np.quantile(points[:, 1], 0.4)
    part = points[points[:, 1] >= limit] if chance(rng, 0.7) else points[points[:, 1] <= limit]
    return part if len(part) >= FEWEST_POINTS else points


def _warp(mask: NDArray[np.float32], amplitude: float, rng: np.random.Generator) -> NDArray[np.float32]:
    height, width = mask.shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    across = columns + smooth_noise(mask.shape, 4, rng) * np.float32(amplitude)
    down = rows + smooth_noise(mask.shape, 4, rng) * np.float32(amplitude)
    return np.asarray(cv2.remap(mask, across, down, cv2.INTER_LINEAR), np.float32)


def _alter(picture: Picture, rng: np.random.Generator) -> Picture:
    """Other colours, and coarser, sharper or drawn by up-sampling: what a generator's output differs by."""
    altered = recolour(picture, 1.0, rng)
    height, width = picture.shape[:2]
    if chance(rng, 0.25):
        return _up_sampled(altered, rng)
    if chance(rng, 0.5):
        share = rng.uniform(0.25, 0.7)
        small = resize(altered, max(16, round(width * share)), max(16, round(height * share)))
        return resize(small, width, height)
    amount = rng.uniform(0.2, 1.0)
    values = altered.astype(np.float32)
    return to_bytes(values + amount * (values - blur(values, 1.5)))


def _up_sampled(picture: Picture, rng: np.random.Generator) -> Picture:
    """The traces of a generator's last layer: halved, then doubled by a transposed convolution.

    A short kernel whose phases do not quite agree leaves a chessboard (Odena et al., "Deconvolution and
    Checkerboard Artifacts", 2016) and copies of the spectrum (Zhang et al., "Detecting and Simulating
    Artifacts in GAN Fake Images", 2019).
    """
    height, width = picture.shape[:2]
    spread = np.zeros((2 * ((height + 1) // 2), 2 * ((width + 1) // 2), 3), np.float32)
    spread[::2, ::2] = resize(picture, spread.shape[1] // 2, spread.shape[0] // 2)
    across, down = (np.array([1, 3, 3, 1]) / 4 + rng.normal(0, 0.06, 4) for _ in range(2))
    drawn = cv2.sepFilter2D(spread, -1, across, down, borderType=cv2.BORDER_REFLECT)
    return to_bytes(np.asarray(drawn, np.float32)[:height, :width])


def _jitter(picture: Picture, centre: Points, extent: float, rng: np.random.Generator) -> Picture:
    """Turn by up to 3 degrees, scale by 5 %, shift by 3 % of the face."""
    pivot = (float(centre[0]), float(centre[1]))
    turn = cv2.getRotationMatrix2D(pivot, rng.uniform(-3, 3), rng.uniform(0.95, 1.05))
    matrix = np.asarray(turn, np.float64)
    matrix[:, 2] += rng.uniform(-0.03, 0.03, 2) * extent
    height, width = picture.shape[:2]
    return np.asarray(
        cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )


def _laid(
    source: Picture, source_points: Points, points: Points, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[Picture, Mask]:
    """The source fitted by an affine map, and where there is any of it, softly."""
    matrix = _fit(source_points, points, similarity=chance(rng, 0.4))
    return _fitted(
        source, lambda plane, border: cv2.warpAffine(plane, matrix, shape[::-1], borderMode=border)
    )


def _bent(
    source: Picture, source_points: Points, points: Points, shape: tuple[int, int]
) -> tuple[Picture, Mask]:
    """The source fitted by a map of second degree, so that mouth and eyes lie nearer to the target's."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
    factors = _least_squares(_second_degree(*points.T.astype(np.float64)), source_points)
    across, down = (_second_degree(columns, rows) @ factors).astype(np.float32).transpose(2, 0, 1)
    return _fitted(
        source, lambda plane, border: cv2.remap(plane, across, down, cv2.INTER_LINEAR, borderMode=border)
    )


def _fitted(
    source: Picture, warp: Callable[[cv2.typing.MatLike, int], cv2.typing.MatLike]
) -> tuple[Picture, Mask]:
    """The source through a warp that takes a plane and what lies beyond it."""
    covered = warp(np.ones(source.shape[:2], np.float32), cv2.BORDER_CONSTANT)
    fitted = warp(source, cv2.BORDER_REFLECT_101)
    return np.asarray(fitted, np.uint8), blur(np.asarray(covered, np.float32), 2.0)


def _second_degree(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _fit(source: Points, target: Points, *, similarity: bool) -> NDArray[np.float64]:
    """The least-squares affine (or similarity) map from source to target landmarks, float64 (2, 3)."""
    count = len(source)
    x, y = source[:, 0].astype(np.float64), source[:, 1].astype(np.float64)
    one, nil = np.ones(count), np.zeros(count)
    if similarity:  # x' = a x - b y + c, y' = b x + a y + d
        rows = np.vstack([np.stack([x, -y, one, nil], 1), np.stack([y, x, nil, one], 1)])
        a, b, c, d = _least_squares(rows, target[:, :2].T.reshape(-1))
        return np.array([[a, -b, c], [b, a, d]])
    return _least_squares(np.stack([x, y, one], 1), target[:, :2]).T


def _least_squares(rows: NDArray[np.float64], values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.lstsq(rows, values)[0], np.float64)


def _coarsen(picture: Picture, extent: float, rng: np.random.Generator) -> Picture:
    """The detail of a generator that draws the face at 48 to 160 px."""
    height, width = picture.shape[:2]
    share = min(1.0, rng.uniform(48, 160) / max(extent, 1.0))
    small = resize(picture, max(16, round(width * share)), max(16, round(height * share)))
    return resize(small, width, height)
