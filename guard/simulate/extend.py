"""Bona fide extension: makes a short clip of a person endless without ever repeating a frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.simulate.warp import Drift, Matrix, Points, Sensor, camera_matrix, move_points, require_picture

_MARGIN = 1.09
"""Zoom that leaves room for the camera to wander without showing the clip's border."""


@dataclass(frozen=True, slots=True)
class ExtendedFrame:
    """One frame of the endless sequence, and how it came from the clip."""

    picture: Picture
    source_index: int
    """Frame of the clip that it shows."""
    matrix: Matrix
    """Affine (2, 3), pixels of the clip to pixels of ``picture``."""

    def move(self, points: Points) -> NDArray[np.float32]:
        """Where points (n, 2) of the clip's frame, px, lie in ``picture``: so landmarks need finding once."""
        return move_points(self.matrix, points)


class Extension(Iterator[ExtendedFrame]):
    """Endless frames from a short clip: a random walk in time, a camera that breathes, fresh sensor noise.

    Motion keeps its natural speed: each frame shows a neighbour of the clip's frame before it (or, for a
    moment at a turn, the same one). Two extensions of the same clip and seed are alike.
    """

    def __init__(
        self, clip: Sequence[Picture], size: tuple[int, int], seed: int, fps: float = 30.0, noise: float = 2.0
    ) -> None:
        """``clip``: at least two RGB pictures of one size; ``size``: (width, height) of the frames made."""
        _require_clip(clip)
        rng = np.random.default_rng(seed)
        self._clip = clip
        self._size = size
        self._fps = fps
        self._count = 0
        self._walk = walk(len(clip), rng, fps)
        self._camera = Drift(rng, (0.018, 0.018, 0.02, 0.012), (0.04, 0.3))
        self._sensor = Sensor(rng, size, noise)

    def __next__(self) -> ExtendedFrame:
        """The next frame."""
        time = self._count / self._fps
        self._count += 1
        index = next(self._walk)
        source = self._clip[index]
        x, y, zoom, roll = self._camera.at(time)
        source_size = source.shape[1], source.shape[0]
        matrix = camera_matrix(source_size, self._size, _MARGIN + zoom, (x, y), roll)
        view = cv2.warpAffine(
            source, matrix, self._size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
        return ExtendedFrame(self._sensor.expose(np.asarray(view, np.uint8), time), index, matrix)


def walk(length: int, rng: np.random.Generator, fps: float = 30.0) -> Iterator[int]:
    """Indices below ``length`` for ever: runs of 1 to 5 s one way, a short hold, then the other way."""
    position, direction = int(rng.integers(length)), 1
    while True:
        for _ in range(int(rng.uniform(1.0, 5.0) * fps)):
            yield position
            if not 0 <= position + direction < length:
                break
            position += direction
        direction = -direction
        for _ in range(int(rng.integers(0, 3))):
            yield position


def _require_clip(clip: Sequence[Picture]) -> None:
    if len(clip) < 2:  # noqa: PLR2004 -- a walk needs two places
        msg = f"Extension: expected a clip of at least 2 frames, got {len(clip)}; hand in a longer clip"
        raise ShapeError(msg)
    for picture in clip:
        require_picture("Extension", picture)
        if picture.shape != clip[0].shape:
            msg = f"Extension: expected frames of one size, got {clip[0].shape} and {picture.shape}"
            raise ShapeError(msg)
