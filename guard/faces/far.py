"""Far faces: heads too small for the landmarker's own detector, searched on tiles and followed on crops."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Final

import numpy as np

from guard.core.geometry import Box, bounding_box
from guard.core.types import VideoFrame
from guard.core.units import Seconds
from guard.faces.identity import without_doubles
from guard.faces.landmarker import Landmarker, Mesh, ShortRangeDetector
from guard.faces.pictures import cut_square, even_square

TILE_SHARES: Final = (1.0, 0.5)
"""Sides of the tiles, as shares of the frame's shorter side; each search takes one, in turn."""

TILE_OVERLAP: Final = 0.4
"""Neighbouring tiles share this much of their side, so that every face lies whole in one of them."""

TILE_PX: Final = 192
"""Tiles are shown to the detector at this size; its net sees 128 px."""

FOLLOWING_SLOWS: Final = 4
"""While a far face is followed, tiles are searched for others so many times less often."""

REGION_SCALE: Final = 2.2
"""Side of the followed region over the face's size: room to move between two looks."""

REGION_PX: Final = 256
"""Regions are shown to the landmarker at this size; its net sees the face at 256 px."""


def tiles(width: int, height: int, share: float) -> Iterator[Box]:
    """Overlapping squares that cover a frame; their side is ``share`` of its shorter side."""
    side = min(width, height) * share
    for y in _starts(height, side):
        for x in _starts(width, side):
            yield Box(x, y, x + side, y + side)


def _starts(length: float, side: float) -> list[float]:
    steps = int(np.ceil((length - side) / (side * (1 - TILE_OVERLAP)) - 1e-9))
    return [(length - side) * step / steps for step in range(steps + 1)] if steps > 0 else [0.0]


def placed(mesh: Mesh, region: Box, width: int, height: int) -> Mesh:
    """A mesh seen on ``region`` (pixels of the frame), normalised to the frame; its pose stays as it was."""
    scale = np.array([region.width / width, region.height / height, region.width / width], np.float32)
    origin = np.array([region.x1 / width, region.y1 / height, 0.0], np.float32)
    return Mesh(mesh.landmarks * scale + origin, mesh.blendshapes, mesh.pose)


def mesh_box(mesh: Mesh, width: int, height: int) -> Box:
    """The box around a mesh's landmarks in pixels."""
    return bounding_box(mesh.landmarks[:, :2] * np.array([width, height], np.float32))


class FarFaces:
    """Searches tiles for faces, then looks where each was last seen."""

    def __init__(self, model: bytes, max_faces: int, search_interval_s: Seconds) -> None:
        self._detector = ShortRangeDetector(model)
        # Not following: the region moves with its face and serves several faces in turn.
        self._landmarker = Landmarker(model, following=False)
        self._max_faces = max_faces
        self._search_interval_s = search_interval_s
        self._searched_at = float("-inf")
        self._shares = cycle(TILE_SHARES)
        self._boxes: list[Box] = []

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[Mesh, ...]:
        """Far faces in this frame, normalised to it; a search at most once in the interval."""
        if self._search_is_due(now):
            self._searched_at = now
            self._boxes += self._search(frame, next(self._shares))
        found = self._look_at(frame, self._boxes)
        self._boxes = [mesh_box(mesh, frame.width, frame.height) for mesh in found]
        return found

    def forget(self) -> None:
        """Near faces are seen again: follow none of the far ones."""
        self._boxes = []

    def close(self) -> None:
        """Release both models."""
        self._detector.close()
        self._landmarker.close()

    def _search_is_due(self, now: Seconds) -> bool:
        slower = FOLLOWING_SLOWS if self._boxes else 1
        return now - self._searched_at >= self._search_interval_s * slower

    def _look_at(self, frame: VideoFrame, boxes: Sequence[Box]) -> tuple[Mesh, ...]:
        seen = [mesh for box in boxes for mesh in self._mesh_in(frame, box.square(REGION_SCALE))]
        kept = without_doubles([mesh_box(mesh, frame.width, frame.height) for mesh in seen])
        return tuple(seen[index] for index in kept[: self._max_faces])

    def _mesh_in(self, frame: VideoFrame, region: Box) -> Iterator[Mesh]:
        whole = even_square(region)
        for mesh in self._landmarker.detect(cut_square(frame, whole, REGION_PX), 0.0):
            yield placed(mesh, whole, frame.width, frame.height)

    def _search(self, frame: VideoFrame, share: float) -> list[Box]:
        every = tiles(frame.width, frame.height, share)
        boxes = [box for tile in every for box in self._found_on(frame, tile)]
        return [boxes[index] for index in without_doubles(boxes)]

    def _found_on(self, frame: VideoFrame, tile: Box) -> Iterator[Box]:
        whole = even_square(tile)
        scale = whole.width / TILE_PX
        for box in self._detector.detect(cut_square(frame, whole, TILE_PX)):
            yield Box(*(np.array(box) * scale + np.array([whole.x1, whole.y1, whole.x1, whole.y1])).tolist())
