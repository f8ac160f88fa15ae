"""Faces cut out once to one framing, kept as one array, and found again by person, kind and split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from _shared.corpus import Item, Picture, cut, face_box, landmarks_of, read_manifest, read_picture
from guard.core.geometry import Box

CANVAS_PX = 160


@dataclass(frozen=True, slots=True)
class Faces:
    """Pictures uint8 (n, 160, 160, 3), landmarks float32 (n, 478, 2) in their pixels, and what they show."""

    pictures: NDArray[np.uint8]
    points: NDArray[np.float32]
    attack: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    group: NDArray[np.str_]

    def where(self, *, attack: bool, held_out: bool) -> NDArray[np.intp]:
        """Indices of one class on one side of the split by person."""
        return np.flatnonzero((self.attack == attack) & (self.held_out == held_out))


def load_faces(root: Path, folder: str, scale: float, cache: Path, most: int | None = None) -> Faces:
    """Faces of a manifest folder at ``scale`` times their landmarks' box, cached under ``cache``.

    ``most`` takes every k-th row only, for a quick run. Pictures without landmarks are left out.
    """
    items = read_manifest(root, folder)
    if most is not None:
        items = items[:: max(1, len(items) // most)]
    name = f"{folder.replace('/', '-')}-{len(items)}"
    points = landmarks_of(items, cache / f"{name}-landmarks.npz", _tell(name))
    found = np.flatnonzero(np.isfinite(points[:, 0, 0]))
    items, points = [items[i] for i in found], points[found]
    pictures, moved = _canvases(items, points, scale, cache / f"{name}-{scale}.npy")
    return Faces(
        pictures,
        moved,
        np.array([item.attack for item in items]),
        np.array([item.held_out for item in items]),
        np.array([item.group for item in items]),
    )


def _canvases(
    items: Sequence[Item], points: NDArray[np.float32], scale: float, cache: Path
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    boxes = [face_box(face, scale) for face in points]
    corners = np.array([(box.x1, box.y1) for box in boxes], np.float32)
    sides = np.array([box.width for box in boxes], np.float32)
    moved = (points - corners[:, None]) * (CANVAS_PX / sides)[:, None, None]
    if not cache.is_file():
        drawn = np.stack(
            [cut(read_picture(item.path), box, CANVAS_PX) for item, box in zip(items, boxes, strict=True)]
        )
        np.save(cache, drawn)
    return np.load(cache, mmap_mode="r"), moved.astype(np.float32)


def _tell(name: str) -> Callable[[int, int], None]:
    def told(done: int, whole: int) -> None:
        if done % 500 == 0 or done == whole:
            print(f"{name}: landmarks {done}/{whole}", flush=True)

    return told


def frame(picture: Picture, size: int, zoom: float, shift: tuple[float, float], *, flip: bool) -> Picture:
    """The middle of a canvas at ``zoom`` (1 = all of it), shifted by shares of its side, mirrored or not."""
    side = picture.shape[0]
    half = side * zoom / 2
    x, y = side * (0.5 + shift[0]), side * (0.5 + shift[1])
    seen = cut(picture, Box(x - half, y - half, x + half, y + half), size)
    return np.ascontiguousarray(seen[:, ::-1]) if flip else seen


def tightened(picture: Picture, points: NDArray[np.float32], factor: float) -> Picture:
    """A canvas of which only ``factor`` times the face's box is known: the rest is reflected.

    So a net sees both what a call gives it and what a bare face crop gives it.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    half, middle = (high - low) / 2 * factor, (high + low) / 2
    side = picture.shape[0]
    x1, y1 = (max(0, round(float(value))) for value in middle - half)
    x2, y2 = (min(side, round(float(value))) for value in middle + half)
    known = np.ascontiguousarray(picture[y1:y2, x1:x2])
    return cv2.copyMakeBorder(known, y1, side - y2, x1, side - x2, cv2.BORDER_REFLECT_101).astype(np.uint8)
