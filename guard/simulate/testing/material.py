"""What an attack is made of, and what comes out: a person's clip, another person's photo, frames in time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guard.core.errors import ShapeError
from guard.core.geometry import Box, bounding_box
from guard.core.types import LANDMARKS, Picture, require_shape
from guard.core.units import Seconds
from guard.simulate.warp import require_picture

Points = NDArray[np.float32]
"""Landmarks of one face, float32 (478, 2), x and y in px."""

Size = tuple[int, int]
"""Width and height in px."""


@dataclass(frozen=True, slots=True)
class Still:
    """One picture of a person, RGB, and where the face is in it."""

    picture: Picture
    points: Points

    def __post_init__(self) -> None:
        require_picture("Still.picture", self.picture)
        require_shape("Still.points", self.points, (LANDMARKS, 2), np.float32)


@dataclass(frozen=True, slots=True)
class Person:
    """A person in a clip at its natural speed: RGB pictures of one size, and each one's landmarks."""

    clip: Sequence[Picture]
    points: Sequence[Points]

    def __post_init__(self) -> None:
        if not self.clip or len(self.clip) != len(self.points):
            msg = f"Person: expected landmarks for each picture, got {len(self.points)} for {len(self.clip)}"
            raise ShapeError(msg)
        for picture, points in zip(self.clip, self.points, strict=True):
            require_picture("Person.clip", picture)
            require_shape("Person.points", points, (LANDMARKS, 2), np.float32)
            if picture.shape != self.clip[0].shape:
                msg = f"Person: expected pictures of one size, got {self.clip[0].shape} and {picture.shape}"
                raise ShapeError(msg)

    def still(self, index: int = 0) -> Still:
        """One moment of the clip as a photo."""
        return Still(self.clip[index], self.points[index])

    def place(self) -> Box:
        """Where the face usually is, px."""
        return Box(*np.median([bounding_box(points) for points in self.points], axis=0).tolist())


@dataclass(frozen=True, slots=True)
class Material:
    """All that a species may need."""

    person: Person
    """Who is at the camera, on the print or on the screen."""
    other: Still | None = None
    """A photo of somebody else, whose face is put on."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a made call."""

    picture: Picture
    attack: bool
    """Whether the attack shows in it: not yet before a switch, not where a swap drops out."""


@dataclass(frozen=True, slots=True)
class TimedShot(Shot):
    """One picture and when the call's camera, or what passes for it, hands it out."""

    at: Seconds
    """Since the first, which is at 0; always growing."""
