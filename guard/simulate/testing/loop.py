"""Test variants of what is fed in behind the camera: a short clip over and over, and a converted file."""

from collections.abc import Iterator

import cv2
import numpy as np

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.core.units import Seconds
from guard.simulate.testing.material import Person
from guard.simulate.warp import camera_matrix

FILE_OF, SENT_AS = 5, 6
"""Of so many pictures of the file so many are made: 25 a second sent as 30."""


class LoopedClip(Iterator[Picture]):
    """A few seconds of a clip over and over; every round is alike to the last bit."""

    def __init__(
        self,
        person: Person,
        size: tuple[int, int],
        seed: int,
        *,
        fps: float = 30.0,
        length: Seconds = 4.0,
        fade: Seconds = 0.0,
    ) -> None:
        """``length`` of the cut, at most the clip's, from where the seed says; ``fade``: 0 shows the seam."""
        rng = np.random.default_rng(seed)
        faded = round(fade * fps)
        count = min(round(length * fps) + faded, len(person.clip))
        if count < 2 * max(faded, 1):
            least = 2 * max(faded, 1)
            msg = f"LoopedClip: expected a clip of {least} pictures or more, got {count}; give a longer clip"
            raise ShapeError(msg)
        start = int(rng.integers(0, len(person.clip) - count + 1))
        pictures = [_fitted(picture, size) for picture in person.clip[start : start + count]]
        self._pictures = _faded(pictures, faded)
        self._count = 0

    def __next__(self) -> Picture:
        """The next frame; a picture that is shared with later rounds."""
        picture = self._pictures[self._count % len(self._pictures)]
        self._count += 1
        return picture


class InjectedFile(Iterator[Picture]):
    """A file of 25 pictures a second sent as 30: every fifth comes twice, and no sensor adds its noise.

    At its end it begins again.
    """

    def __init__(self, person: Person, size: tuple[int, int], seed: int) -> None:
        """Where the file begins is the seed's."""
        self._clip = person.clip
        self._size = size
        self._start = int(np.random.default_rng(seed).integers(len(person.clip)))
        self._count = 0

    def __next__(self) -> Picture:
        """The next frame."""
        shown = self._count * FILE_OF // SENT_AS  # which picture of the file
        self._count += 1
        taken = shown * SENT_AS // FILE_OF  # the clip is faster than the file made of it
        return _fitted(self._clip[(self._start + taken) % len(self._clip)], self._size)


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """The middle of a picture, scaled to cover ``size``."""
    if picture.shape[1::-1] == size:
        return picture
    matrix = camera_matrix((picture.shape[1], picture.shape[0]), size, 1.0)
    view = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(view, np.uint8)


def _faded(pictures: list[Picture], count: int) -> list[Picture]:
    """The last ``count`` pictures laid, ever fainter, over the first, and then left out."""
    if not count:
        return pictures
    ends = zip(pictures[:count], pictures[-count:], strict=True)
    begun = [
        np.asarray(cv2.addWeighted(first, share, last, 1 - share, 0), np.uint8)
        for (first, last), share in zip(ends, np.linspace(0, 1, count + 2)[1:-1].tolist(), strict=True)
    ]
    return begun + pictures[count:-count]
