"""Boxes and similarity transforms in the picture plane: x to the right, y down, pixels."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ALMOST = 1e-6
"""So near to the next even side, the rest is the arithmetic's."""


class Box(NamedTuple):
    """An upright rectangle in pixels, corners (x1, y1) top left and (x2, y2) bottom right."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Width in pixels, never negative."""
        return max(0.0, self.x2 - self.x1)

    @property
    def height(self) -> float:
        """Height in pixels, never negative."""
        return max(0.0, self.y2 - self.y1)

    @property
    def size(self) -> float:
        """The longer side in pixels."""
        return max(self.width, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """The middle (x, y)."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def square(self, scale: float = 1.0) -> "Box":
        """The square about the same middle whose side is the longer side times ``scale``."""
        x, y = self.centre
        half = self.size * scale / 2
        return Box(x - half, y - half, x + half, y + half)

    def clipped(self, width: float, height: float) -> "Box":
        """The part inside a picture of ``width`` x ``height``."""
        return Box(
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
            min(max(self.x2, 0.0), width),
            min(max(self.y2, 0.0), height),
        )

    def grown_inside(self, scale: float, width: float, height: float) -> "Box":
        """This box times ``scale``, or less where the picture is smaller, in its shape, moved inside."""
        scale = min(scale, width / max(self.width, 1.0), height / max(self.height, 1.0))
        x, y = self.centre
        across, down = self.width * scale, self.height * scale
        x1 = min(max(x - across / 2, 0.0), width - across)
        y1 = min(max(y - down / 2, 0.0), height - down)
        return Box(x1, y1, x1 + across, y1 + down)

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0..1."""
        inner = Box(
            max(self.x1, other.x1), max(self.y1, other.y1), min(self.x2, other.x2), min(self.y2, other.y2)
        )
        shared = inner.width * inner.height
        union = self.width * self.height + other.width * other.height - shared
        return shared / union if union > 0 else 0.0


def bounding_box(points: NDArray[np.floating]) -> Box:
    """The smallest box around points, float (n, 2 or more) as x, y in pixels."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def even_size(width: float, height: float, pixels: float, *, enlarge: bool = False) -> tuple[int, int]:
    """(width, height) of the same shape, sides even: about ``pixels``, or fewer unless to ``enlarge``."""
    scale = math.sqrt(pixels / (width * height))
    if not enlarge:
        scale = min(1.0, scale)
    across, down = (max(2, 2 * int(side * scale / 2 + _ALMOST)) for side in (width, height))
    return across, down
