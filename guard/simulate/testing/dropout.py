"""Test variant of a swap under an occluder: a hand passes over the face, and the swap slips or drops out."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.geometry import bounding_box
from guard.core.types import Picture
from guard.core.units import Seconds
from guard.simulate.testing.fingers import skin_tone
from guard.simulate.testing.lattice import laid
from guard.simulate.testing.material import Points, Still
from guard.simulate.testing.mesh import OVAL
from guard.simulate.testing.swap import FaceSwap
from guard.simulate.warp import Drift

_SPRITE, _ARM = 192, 560
"""Width and height of the drawn hand's and forearm's picture, px."""

_SLEEVE = 240
"""Row of it where the sleeve begins."""

_HAND = 1.25
"""Width of that picture in heights of the face."""

_COVERED = 0.06
"""Share of the face under the hand at which the swap fails."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of the hand over the face."""

    begins: Seconds
    lasts: Seconds
    side: int
    """1: from the right of the picture, -1: from the left."""
    height: float
    """Where it passes, in heights of the face below its middle."""
    slips: Seconds
    """How long the swap slips before it drops out."""

    def at(self, time: Seconds) -> tuple[float, float]:
        """Middle of the hand from that of the face, in heights of the face: it comes, stays, goes."""
        way = 2 * (time - self.begins) / self.lasts - 1
        return self.side * (0.28 + 1.5 * abs(way) ** 1.7), self.height + 0.5 * abs(way)


class OccludedSwap:
    """A face swap that the person's hand disturbs every few seconds."""

    def __init__(self, source: Still, seed: int) -> None:
        """``source``: the face that is put on."""
        self._rng = np.random.default_rng(seed)
        self._swap = FaceSwap(source.picture, source.points, seed)
        self._hand, self._alpha = _hand(self._rng)
        self._slip = Drift(self._rng, (0.07, 0.07), (1.0, 3.0))
        self._pass = self._next_pass(0.0)
        self._covered_at: Seconds | None = None

    def apply(self, picture: Picture, points: Points, time: Seconds) -> tuple[Picture, bool]:
        """The frame at ``time``, which grows from call to call, and whether the swap is there."""
        if time > self._pass.begins + self._pass.lasts:
            self._pass = self._next_pass(time)
            self._covered_at = None
        if time < self._pass.begins:
            return self._swap.apply(picture, points), True
        seen, covered = self._covered(picture, points, time)
        if covered < _COVERED:
            self._covered_at = None
            return self._swap.apply(seen, points), True
        if self._covered_at is None:
            self._covered_at = time
        if time - self._covered_at > self._pass.slips:
            return seen, False
        return self._swap.apply(seen, self._slipped(points, time)), True

    def _next_pass(self, time: Seconds) -> Pass:
        rng = self._rng
        return Pass(
            begins=time + float(rng.uniform(2.0, 5.0)),
            lasts=float(rng.uniform(1.2, 2.2)),
            side=int(rng.choice([-1, 1])),
            height=float(rng.uniform(-0.05, 0.25)),
            slips=float(rng.uniform(0.05, 0.25)),
        )

    def _slipped(self, points: Points, time: Seconds) -> Points:
        """Landmarks that follow the hand in place of the face."""
        height = bounding_box(points).height
        push = np.array((-0.1 * self._pass.side, 0.03)) + self._slip.at(time)
        return np.asarray(points + push * height, np.float32)

    def _covered(self, picture: Picture, points: Points, time: Seconds) -> tuple[Picture, float]:
        """The picture with the hand before it, and the share of the face that it hides."""
        face = bounding_box(points)
        offset = np.array(self._pass.at(time)) * face.height
        scale = _HAND * face.height / _SPRITE
        turned = -0.5 * self._pass.side
        cos, sin = scale * np.cos(turned), scale * np.sin(turned)
        mirror = np.diag([self._pass.side, 1.0])
        linear = np.array([[cos, -sin], [sin, cos]]) @ mirror
        middle = np.array(face.centre) + offset
        matrix = np.column_stack([linear, middle - linear @ np.array([_SPRITE / 2, _SPRITE * 0.35])])
        size = picture.shape[1], picture.shape[0]
        share = np.asarray(cv2.warpAffine(self._alpha, matrix, size), np.float32)
        hand = cv2.warpAffine(self._hand, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        oval = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillPoly(oval, [np.rint(points[list(OVAL)]).astype(np.int32)], 1)
        hidden = cv2.mean(share, oval)[0] if oval.any() else 0.0
        return laid(np.asarray(hand, np.uint8), picture, share), hidden


def _hand(rng: np.random.Generator) -> tuple[Picture, NDArray[np.float32]]:
    """A hand, fingers up, with its forearm and sleeve: colours and share, (rows, columns)."""
    mask = np.zeros((_ARM, _SPRITE), np.uint8)
    lines = np.zeros((_ARM, _SPRITE), np.float32)
    cv2.ellipse(mask, (96, 92), (30, 34), 0, 0, 360, 255, cv2.FILLED, cv2.LINE_AA)
    cv2.line(mask, (98, 110), (110, _ARM), 255, 44, cv2.LINE_AA)
    cv2.line(mask, (102, _SLEEVE + 40), (110, _ARM), 255, 72, cv2.LINE_AA)
    for number, (x, reach) in enumerate(((74, 24), (88, 12), (103, 14), (117, 26))):
        lean = (number - 1.5) * 5
        tip = round(x + lean), reach
        cv2.line(mask, (x, 80), tip, 255, 14, cv2.LINE_AA)
        cv2.line(lines, (x + 7, 72), (tip[0] + 7, tip[1] + 8), 1.0, 2, cv2.LINE_AA)
    cv2.line(mask, (74, 104), (46, 74), 255, 15, cv2.LINE_AA)
    share = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.5), np.float32) / np.float32(255)
    deep = np.asarray(cv2.GaussianBlur(share, (0, 0), 5.0), np.float32)
    light = 0.78 + 0.34 * deep - 0.2 * np.asarray(cv2.GaussianBlur(lines, (0, 0), 1.2))
    colours = np.asarray(light)[..., None] * skin_tone(rng)
    colours[_SLEEVE:] = light[_SLEEVE:, :, None] * rng.uniform(30, 140, 3)
    return np.clip(colours, 0, 255).astype(np.uint8), np.asarray(share, np.float32)
