"""Faces in calls: clips of real people, scaled to a call's size, coded by VP8, cut as the guard cuts them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from _shared.codec import recode_clip
from _shared.corpus import (
    Item,
    Picture,
    clip_frames,
    cut,
    face_box,
    find_landmarks,
    landmark_finder,
    read_manifest,
)
from _shared.fitting import Pictures

_WIDTH, _HEIGHT, _FEWEST, _MOST, _EVERY = 640, 360, 5, 60, 2

Alter = Callable[[Picture, NDArray[np.float32]], Picture]
"""A frame and the landmarks of its face to an altered frame."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one face in a call of 640x360, and its landmarks float32 (frames, 478, 2) in their pixels."""

    name: str
    group: str
    held_out: bool
    frames: tuple[Picture, ...]
    points: NDArray[np.float32]


def read_clips(root: Path, face_px: int, most: int = _MOST) -> list[Clip]:
    """The first face of each bona fide clip, scaled so that its landmarks' longer side is ``face_px``.

    ``most`` frames at most, every second one; frames without a face are left out.
    """
    clips = []
    with landmark_finder() as finder:
        for item in read_manifest(root, "calls/bona_fide"):
            if item.path.suffix == ".gif":  # dithered: no call looks so
                continue
            seen = list(clip_frames(item.path))[::_EVERY][:most]
            found = [(frame, points[0]) for frame in seen if (points := find_landmarks(finder, frame, 0.0))]
            if len(found) >= _FEWEST:
                clips.append(_in_call(item, found, face_px))
    return clips


def crops(clip: Clip, scale: float, size: int, kbit_s: int, alter: Alter | None = None) -> Pictures:
    """Crops of a clip after ``kbit_s`` of VP8, uint8 (n, size, size, 3).

    ``alter`` changes the frames before they are coded.
    """
    sent = (
        clip.frames if alter is None else [alter(f, p) for f, p in zip(clip.frames, clip.points, strict=True)]
    )
    coded = recode_clip(sent, kbit_s)
    pairs = list(zip(coded, clip.points, strict=True))
    return np.stack([cut(frame, face_box(points, scale), size) for frame, points in pairs[2::2]])


def stacked(parts: Sequence[tuple[str, Pictures]]) -> tuple[Pictures, list[str]]:
    """All crops in one array, and the name of the clip of each."""
    return np.concatenate([part for _, part in parts]), [name for name, part in parts for _ in part]


def _in_call(item: Item, found: Sequence[tuple[Picture, NDArray[np.float32]]], face_px: int) -> Clip:
    scale = face_px / float(np.median([np.ptp(points, axis=0).max() for _, points in found]))
    middle = np.median([points.mean(axis=0) for _, points in found], axis=0)
    matrix = np.array(
        [[scale, 0, _WIDTH / 2 - scale * middle[0]], [0, scale, _HEIGHT * 0.45 - scale * middle[1]]]
    )
    frames = tuple(_place(frame, matrix, scale) for frame, _ in found)
    points = np.stack([points * scale + matrix[:, 2] for _, points in found])
    return Clip(item.path.stem, item.group, item.held_out, frames, points.astype(np.float32))


def _place(frame: Picture, matrix: NDArray[np.float64], scale: float) -> Picture:
    """Shrink by area first: a bare warp would alias."""
    height, width = frame.shape[:2]
    factor = min(1.0, scale)
    small = cv2.resize(frame, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)
    moved = matrix.copy()
    moved[:, :2] /= factor
    return np.asarray(
        cv2.warpAffine(small, moved, (_WIDTH, _HEIGHT), borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )
