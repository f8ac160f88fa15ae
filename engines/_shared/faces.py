"""Faces cut out once to one framing, kept as one array, and found again by person, kind and split."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from _shared.corpus import Picture, cut, face_box, fingerprint, landmarks_of, read_manifest, read_picture
from guard.core.geometry import Box, bounding_box

CANVAS_PX = 160


@dataclass(frozen=True, slots=True)
class Faces:
    """Pictures uint8 (n, side, side, 3), their landmarks float32 (n, 478, 2) in px, and what they show."""

    pictures: NDArray[np.uint8]
    points: NDArray[np.float32]
    attack: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    group: NDArray[np.str_]
    originals: NDArray[np.uint8]
    """What each attack was made from, in the very same framing; the picture itself where that is unknown."""
    has_original: NDArray[np.bool_]
    name: str
    """Of what is kept of these very files in this framing."""

    def where(self, *, attack: bool, held_out: bool) -> NDArray[np.intp]:
        """Indices of one class on one side of the split by person."""
        return np.flatnonzero((self.attack == attack) & (self.held_out == held_out))


def load_faces(
    root: Path,
    folder: str,
    scale: float,
    cache: Path,
    most: int | None = None,
    *,
    task: str,
    side: int = CANVAS_PX,
    needed: bool = True,
) -> Faces:
    """Faces of a manifest folder, ``side`` px at ``scale`` times their landmarks' box, kept under ``cache``.

    ``most`` takes every k-th row only, for a quick run. Pictures without landmarks are left out, and attacks
    of another family than ``task``. Without any row it is an error where some are ``needed``.
    """
    items = read_manifest(root, folder, task, needed=needed)
    if not items:
        return _no_faces(side)
    if most is not None:
        items = items[:: max(1, len(items) // most)]
    name = f"{folder.replace('/', '-')}-{fingerprint(items)}"
    points = landmarks_of(items, cache / f"{name}-landmarks.npy", _tell(name))
    found = np.flatnonzero(np.isfinite(points[:, 0, 0]))
    items, points = [items[i] for i in found], points[found]
    boxes = [face_box(face, scale) for face in points]
    files = {item.path.stem: item.path for item in read_manifest(root, "")}
    sources = [files.get(item.original, item.path) for item in items]
    paths = [item.path for item in items]
    name = f"{name}-{scale}-{side}"
    pictures = _canvases(paths, boxes, side, cache / f"{name}.npy")
    return Faces(
        pictures,
        _moved(points, boxes, side),
        np.array([item.attack for item in items]),
        np.array([item.held_out for item in items]),
        np.array([item.group for item in items]),
        pictures if sources == paths else _canvases(sources, boxes, side, cache / f"{name}-originals.npy"),
        np.array([source != path for source, path in zip(sources, paths, strict=True)]),
        name,
    )


def _no_faces(side: int) -> Faces:
    pictures = np.zeros((0, side, side, 3), np.uint8)
    nobody, no = np.array([], np.str_), np.array([], np.bool_)
    return Faces(pictures, np.zeros((0, 478, 2), np.float32), no, no, nobody, pictures, no, "")


def _moved(points: NDArray[np.float32], boxes: Sequence[Box], side: int) -> NDArray[np.float32]:
    """Landmarks in the pixels of their canvases."""
    corners = np.array([(box.x1, box.y1) for box in boxes], np.float32)
    scales = np.array([side / box.width for box in boxes], np.float32)
    return ((points - corners[:, None]) * scales[:, None, None]).astype(np.float32)


def _canvases(paths: Sequence[Path], boxes: Sequence[Box], side: int, cache: Path) -> NDArray[np.uint8]:
    """The boxes of these pictures, on disk."""
    if not cache.is_file():
        draft = cache.with_suffix(".part.npy")
        shape = (len(paths), side, side, 3)
        drawn = np.lib.format.open_memmap(draft, "w+", np.uint8, shape)
        for at, (path, box) in enumerate(zip(paths, boxes, strict=True)):
            drawn[at] = cut(read_picture(path), box, side)
        drawn.flush()
        draft.replace(cache)
    return np.load(cache, mmap_mode="r")


def _tell(name: str) -> Callable[[int, int], None]:
    def told(done: int, whole: int) -> None:
        if done % 500 == 0 or done == whole:
            print(f"{name}: landmarks {done}/{whole}", flush=True)

    return told


def frame(picture: Picture, size: int, zoom: float, shift: tuple[float, float], *, flip: bool) -> Picture:
    """The middle of a canvas at ``zoom`` (1 = all of it), shifted by shares of its side, mirrored or not."""
    seen = cut(picture, window(picture.shape[0], zoom, shift), size)
    return np.ascontiguousarray(seen[:, ::-1]) if flip else seen


def window(side: int, zoom: float, shift: tuple[float, float]) -> Box:
    """The part of a canvas that ``frame`` shows."""
    half = side * zoom / 2
    x, y = side * (0.5 + shift[0]), side * (0.5 + shift[1])
    return Box(x - half, y - half, x + half, y + half)


def face_within(points: NDArray[np.floating], shown: Box, size: int, *, flip: bool) -> Box:
    """The box around landmarks where only the square ``shown`` is seen, at ``size`` px, mirrored or not."""
    x1, y1, x2, y2 = bounding_box((points[:, :2] - np.array((shown.x1, shown.y1))) * (size / shown.width))
    return Box(size - x2, y1, size - x1, y2) if flip else Box(x1, y1, x2, y2)


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
