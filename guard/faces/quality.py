"""Whether a face can be judged: size, sharpness, light, turn, and whether the frame holds all of it; pure."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from guard.config.settings import FaceSettings
from guard.core.geometry import Box
from guard.core.types import Quality, Reason

SHARPNESS_SIZE = 96
"""Faces are compared at this many pixels, so that near and far ones share one threshold."""

MIN_INSIDE = 0.8
"""Share of the face box that must lie inside the frame: a cut forehead is common before a laptop."""

BLACK, LIT, MOST_GAIN = 16.0, 100.0, 2.5
"""Sharpness is compared as if the mean luma stood ``LIT`` above ``BLACK``: dark is not blurred."""


def turn(pose: NDArray[np.floating]) -> tuple[float, float]:
    """Yaw and pitch in degrees of a head pose (4, 4); the identity gives 0, 0."""
    forward = pose[:3, 2] / max(float(np.linalg.norm(pose[:3, 2])), 1e-9)
    yaw = math.degrees(math.atan2(forward[0], forward[2]))
    pitch = math.degrees(math.asin(min(1.0, max(-1.0, -forward[1]))))
    return yaw, pitch


def at_one_exposure(sharpness: float, luma: float) -> float:
    """Sharpness (8-bit units squared) that the same face would have in common light."""
    gain = min(MOST_GAIN, LIT / max(luma - BLACK, 1.0))
    return sharpness * gain * gain


def inside_share(box: Box, width: float, height: float) -> float:
    """Share of the box's area that lies inside a frame of ``width`` x ``height``, 0..1."""
    inner = box.clipped(width, height)
    area = box.width * box.height
    return inner.width * inner.height / area if area > 0 else 0.0


def judge_quality(
    box: Box,
    pose: NDArray[np.floating],
    *,
    sharpness: float,
    luma: float,
    inside: float,
    settings: FaceSettings,
) -> Quality:
    """Quality with every reason that speaks against judging this face.

    Args:
        box: around the landmarks, pixels.
        pose: head to camera (4, 4).
        sharpness: variance of the Laplacian of the face's luma at ``SHARPNESS_SIZE`` px.
        luma: mean luma of the face, 0..255.
        inside: share of the box inside the frame, 0..1.
        settings: thresholds.
    """
    yaw, pitch = turn(pose)
    quality = Quality(box.size, sharpness, luma, yaw, pitch)
    reasons = tuple(_against(quality, settings))
    if inside < MIN_INSIDE:
        reasons += (Reason.OUT_OF_FRAME,)
    return Quality(box.size, sharpness, luma, yaw, pitch, reasons)


def _against(seen: Quality, settings: FaceSettings) -> Iterator[Reason]:
    if seen.size_px < settings.min_size_px:
        yield Reason.TOO_SMALL
    if seen.luma < settings.min_luma:
        yield Reason.TOO_DARK
    if seen.luma > settings.max_luma:
        yield Reason.TOO_BRIGHT
    if seen.sharpness < settings.min_sharpness:
        yield Reason.BLURRED
    if abs(seen.yaw) > settings.max_yaw_deg or abs(seen.pitch) > settings.max_pitch_deg:
        yield Reason.TURNED
