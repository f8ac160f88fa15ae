"""A face of 478 points in space that turns, talks and blinks, or is held up as a photo of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from guard.core.blendshapes import blendshape_columns
from guard.core.geometry import bounding_box
from guard.core.types import BLENDSHAPES, LANDMARKS, FaceView, Picture, Quality, Reason, VideoFrame
from guard.detectors.motion import EYES, LIPS

WIDTH, HEIGHT = 320, 240
GOOD = Quality(size_px=100.0, sharpness=60.0, luma=120.0, yaw=0.0, pitch=0.0)
BLURRED = replace(GOOD, sharpness=3.0, reasons=(Reason.BLURRED,))

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hold:
    """Where a face is held before the camera: degrees, face radii as pixels, middle in pixels."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    radius: float = 45.0
    x: float = WIDTH / 2
    y: float = HEIGHT / 2


def solid_face(mouth: float = 0.0, lids: float = 0.0) -> Points:
    """(478, 3) in face radii: an ellipsoid's front with lips and lids as rings; both open 0 .. 1."""
    spread = np.arange(LANDMARKS)
    radius, turn = np.sqrt((spread + 0.5) / LANDMARKS), spread * np.pi * (3 - np.sqrt(5))
    points = np.column_stack([0.8 * radius * np.cos(turn), radius * np.sin(turn), np.zeros(LANDMARKS)])
    points[list(LIPS), :2] = _ring(len(LIPS), (0.0, 0.5), (0.28, 0.08 + 0.2 * mouth))
    half = len(EYES) // 2
    for middle, ring in ((-0.33, EYES[:half]), (0.33, EYES[half:])):
        points[list(ring), :2] = _ring(half, (middle, -0.2), (0.14, 0.06 * (1 - lids) + 0.005))
    inside = np.clip(1 - (points[:, 0] / 0.9) ** 2 - (points[:, 1] / 1.1) ** 2, 0, 1)
    points[:, 2] = -0.7 * np.sqrt(inside)
    return points


def _ring(count: int, middle: tuple[float, float], radii: tuple[float, float]) -> Points:
    around = np.linspace(0, 2 * np.pi, count, endpoint=False)
    outline = np.column_stack([np.cos(around), np.sin(around)])
    return np.asarray(outline * radii + np.array(middle), np.float64)


def seen(points: Points, hold: Hold) -> NDArray[np.float64]:
    """(478, 2) px: points in space before a pinhole camera ten radii away."""
    yaw, pitch, roll = np.radians([hold.yaw, hold.pitch, hold.roll])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    turned = points @ (about_z @ about_x @ about_y).T
    pixels = turned[:, :2] * hold.radius * 10 / (10 + turned[:, 2:])
    return np.asarray(pixels + np.array([hold.x, hold.y]), np.float64)


def photo_of(points: Points) -> Points:
    """The same points printed on paper: seen from the front, flat."""
    flat = points.copy()
    flat[:, :2] *= 10 / (10 + flat[:, 2:])
    flat[:, 2] = 0.0
    return flat


def jittered(pixels: NDArray[np.float64], rng: np.random.Generator, px: float) -> NDArray[np.float64]:
    """With an error of its own on every point; a landmarker errs alike on neighbours, which is milder."""
    return np.asarray(pixels + rng.normal(0, px, pixels.shape), np.float64)


def face_view(
    pixels: NDArray[np.float64],
    quality: Quality = GOOD,
    blendshapes: Mapping[str, float] = MappingProxyType({}),
) -> FaceView:
    """A FaceView of these points, (478, 2) px, on an empty frame; blendshapes by name, the others 0."""
    landmarks = np.zeros((LANDMARKS, 3), np.float32)
    landmarks[:, :2] = pixels / np.array([WIDTH, HEIGHT])
    shapes = np.zeros(BLENDSHAPES, np.float32)
    shapes[blendshape_columns(*blendshapes)] = list(blendshapes.values())
    return FaceView(
        face_id=1,
        box=bounding_box(pixels),
        landmarks=landmarks,
        blendshapes=shapes,
        pose=np.eye(4, dtype=np.float32),
        quality=quality,
        frame=_EMPTY,
        crop=_no_crop,
    )


def _no_crop(_scale: float, size: int, _border: str = "reflect") -> Picture:
    return np.zeros((size, size, 3), np.uint8)


_EMPTY = VideoFrame(
    y=np.zeros((HEIGHT, WIDTH), np.uint8),
    u=np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8),
    v=np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8),
    pts=0.0,
    arrived_at=0.0,
    decoded_at=0.0,
)
