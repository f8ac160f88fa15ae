"""Who is who from frame to frame: boxes in, face ids out; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from guard.core.geometry import Box
from guard.core.units import FaceId, Seconds

MAX_SHIFT = 1.0
"""A face further from its last place than this many sizes is another face."""

MAX_GROWTH = 2.0
"""A face larger or smaller than before by more than this factor is another face."""


@dataclass(slots=True)
class _Known:
    box: Box
    seen_at: Seconds


class Identities:
    """Gives each box a face id: the id of the nearest face seen less than ``gap_s`` ago, else a new one."""

    def __init__(self, gap_s: Seconds) -> None:
        self._gap_s = gap_s
        self._known: dict[FaceId, _Known] = {}
        self._fresh = count(1)

    def assign(self, boxes: Sequence[Box], now: Seconds) -> list[FaceId]:
        """Face ids in the order of ``boxes``; no id is given twice, and none comes back once forgotten."""
        self._known = {
            face_id: known for face_id, known in self._known.items() if now - known.seen_at <= self._gap_s
        }
        found = dict(self._nearest_first(boxes))
        ids = [found[index] if index in found else next(self._fresh) for index in range(len(boxes))]
        self._known.update((face_id, _Known(box, now)) for face_id, box in zip(ids, boxes, strict=True))
        return ids

    def _nearest_first(self, boxes: Sequence[Box]) -> Iterator[tuple[int, FaceId]]:
        pairs = sorted(
            (mismatch(known.box, box), face_id, index)
            for face_id, known in self._known.items()
            for index, box in enumerate(boxes)
            if could_be_same(known.box, box)
        )
        faces: set[FaceId] = set()
        places: set[int] = set()
        for _, face_id, index in pairs:
            if face_id not in faces and index not in places:
                faces.add(face_id)
                places.add(index)
                yield index, face_id


def shift(before: Box, after: Box) -> float:
    """How far the middle moved, in sizes of the larger box."""
    (x1, y1), (x2, y2) = before.centre, after.centre
    size = max(before.size, after.size)
    return ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5 / size if size > 0 else 0.0


def mismatch(before: Box, after: Box) -> float:
    """0 for the same box; grows as boxes overlap less and lie further apart."""
    return 1.0 - before.overlap(after) + shift(before, after)


def could_be_same(before: Box, after: Box) -> bool:
    """Whether one face could have moved so far and changed so much between two looks."""
    smaller, larger = sorted((before.size, after.size))
    return shift(before, after) <= MAX_SHIFT and larger <= MAX_GROWTH * smaller


def without_doubles(boxes: Sequence[Box], overlap: float = 0.4) -> list[int]:
    """Indices of ``boxes`` in order, less those that cover an earlier one by more than ``overlap``."""
    kept: list[int] = []
    for index, box in enumerate(boxes):
        if all(box.overlap(boxes[other]) <= overlap for other in kept):
            kept.append(index)
    return kept
