"""Training variants of what callers do to their own picture: smooth skin, a blurred or another background."""

import cv2
import numpy as np

from guard.simulate.training.pictures import (
    Mask,
    Picture,
    Points,
    blur,
    chance,
    mix,
    resize,
    to_bytes,
    to_mask,
)
from guard.simulate.training.tones import defocused

_SMALL_PX = 96
_ROUNDS = 3


def head_mask(points: Points, shape: tuple[int, int]) -> Mask:
    """1 on a head and shoulders drawn around the landmarks, 0 behind them: no more than a rough guess."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    (x, y), size = (low + high) / 2, float((high - low).max())
    mask = np.zeros(shape, np.float32)
    axes = round(0.5 * size), round(0.7 * size)
    cv2.ellipse(mask, (round(float(x)), round(float(y - 0.1 * size))), axes, 0, 0, 360, 1.0, -1)
    body = np.array([[-1.2, 2.0], [-0.95, 0.95], [-0.3, 0.55], [0.3, 0.55], [0.95, 0.95], [1.2, 2.0]])
    cv2.fillPoly(mask, [np.rint(body * size + (x, y)).astype(np.int32)], 1.0)
    return blur(mask, 0.02 * size)


def person_mask(picture: Picture, points: Points) -> Mask:
    """1 on the person, 0 behind: colours (GrabCut) decide between a sure face and a sure background.

    Takes some 30 ms: find it once for each picture.
    """
    height, width = picture.shape[:2]
    scale = _SMALL_PX / max(height, width)
    small = resize(picture, round(width * scale), round(height * scale))
    guess = head_mask(np.asarray(points)[:, :2] * scale, small.shape[:2])
    marks = np.where(guess > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)  # noqa: PLR2004 -- half
    hull = cv2.convexHull(np.rint(np.asarray(points)[:, :2] * scale).astype(np.int32))
    cv2.fillConvexPoly(marks, hull, cv2.GC_FGD)
    reach = np.ones((_SMALL_PX // 3 + 1, _SMALL_PX // 3 + 1), np.uint8)
    marks[cv2.dilate(guess, reach) < 0.1] = cv2.GC_BGD  # noqa: PLR2004 -- none of it
    cv2.setRNGSeed(1)
    outside, inside = np.zeros((1, 65)), np.zeros((1, 65))
    cut = cv2.grabCut(small, marks, (0, 0, 1, 1), outside, inside, _ROUNDS, cv2.GC_INIT_WITH_MASK)[0]
    found = np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    solid = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    whole = np.asarray(cv2.resize(solid, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return to_mask(blur(whole, 0.6 / scale))


def beautified(picture: Picture, points: Points, rng: np.random.Generator) -> Picture:
    """Skin smoothed and brightened by a filter: edges stay, pores go."""
    hull = cv2.convexHull(np.rint(np.asarray(points)[:, :2]).astype(np.int32))
    mask = np.zeros(picture.shape[:2], np.float32)
    cv2.fillConvexPoly(mask, hull, 1.0)
    x, y, wide, tall = cv2.boundingRect(hull)
    x, y = max(x, 0), max(y, 0)
    face = np.ascontiguousarray(picture[y : y + tall, x : x + wide])
    smooth = picture.copy()
    if face.size:
        smooth[y : y + tall, x : x + wide] = cv2.bilateralFilter(face, 7, rng.uniform(15, 45), 4)
    brighter = to_bytes(smooth.astype(np.float32) * rng.uniform(1.0, 1.12) + rng.uniform(0, 8))
    return mix(picture, brighter, blur(mask, 3.0) * np.float32(rng.uniform(0.5, 1.0)))


def background_changed(
    picture: Picture, person: Mask, backdrop: Picture, rng: np.random.Generator
) -> Picture:
    """A virtual background, or the own one blurred, behind ``person``; its border is as rough as in calls."""
    matte = blur(person, rng.uniform(0.3, 2.5))
    sharp = to_mask((matte - np.float32(rng.uniform(0.3, 0.6))) * np.float32(rng.uniform(2, 8)) + 0.5)
    blurred = chance(rng, 0.5)
    behind = defocused(picture, rng.uniform(3, 12) * picture.shape[1] / 224) if blurred else backdrop
    return mix(behind, picture, sharp)


def surrounded(picture: Picture, points: Points, around: Picture, rng: np.random.Generator) -> Picture:
    """A tight crop's face fading softly into another place: context for faces that were cut too close."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1) * rng.uniform(1.0, 1.3)
    y, x = np.indices(picture.shape[:2], np.float32)
    away = np.hypot(
        (x - np.float32(middle[0])) / np.float32(half[0]), (y - np.float32(middle[1])) / np.float32(half[1])
    )
    share = to_mask(1 - (away - 1) / np.float32(rng.uniform(0.25, 0.9)))
    return mix(around, picture, share)
