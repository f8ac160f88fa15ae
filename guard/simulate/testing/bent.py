"""Test variant of a bent print: a photo on paper rolled about an axis that wanders, to look less flat."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.types import Picture
from guard.simulate.testing.held import Hand, flat, project, room, turn
from guard.simulate.testing.lattice import Lattice, apply_homography, laid, looked_up
from guard.simulate.testing.photo import printed, thumbs
from guard.simulate.warp import Drift, Sensor, require_picture

_ROUNDS = 4
"""Of the search for the place on the paper that a pixel sees."""

_LIGHT = np.array([0.45, 0.35])
"""Towards the lamp, in the plane of the paper; towards the camera it is 1."""

_GLOSS = 34.0
_FILL = 1.02
"""The sheet's mean height over the frame's."""


@dataclass(frozen=True, slots=True)
class Roll:
    """A cylinder that the paper follows."""

    curvature: float
    """Radians for each px of the sheet; positive bends its sides away from the camera."""
    angle: float
    """Of the axis against the upright, radians."""
    place: float
    """Of the axis beside the middle, px of the sheet."""

    def slope(self, centred: NDArray[np.floating]) -> NDArray[np.float64]:
        """How far the paper has turned, radians, at points (..., 2) measured from the middle, px."""
        return self.curvature * (centred @ self._across - self.place)

    def bend(self, centred: NDArray[np.floating]) -> NDArray[np.float64]:
        """Where those points of the flat paper lie in space (..., 3), px; no length changes."""
        flat_way = centred @ self._across - self.place
        slope = flat_way * self.curvature
        way = flat_way * np.sinc(slope / np.pi)
        depth = 0.5 * self.curvature * flat_way**2 * np.sinc(slope / (2 * np.pi)) ** 2
        moved = centred + (way - flat_way)[..., None] * self._across
        return np.concatenate([moved, depth[..., None]], axis=-1)

    def shade(self, slope: NDArray[np.float64]) -> NDArray[np.float64]:
        """Brightness of paper that has turned so far, over that of flat paper."""
        return np.cos(slope) - np.sin(slope) * float(self._across @ _LIGHT)

    @property
    def _across(self) -> NDArray[np.float64]:
        return np.array([np.cos(self.angle), -np.sin(self.angle)])


class BentPrint(Iterator[Picture]):
    """Endless frames of a print that a hand bends this way and that; its shade and gloss move along."""

    def __init__(self, photo: Picture, size: tuple[int, int], seed: int, *, fps: float = 30.0) -> None:
        """Arguments as of ``photo.HeldPhoto``."""
        require_picture("BentPrint", photo)
        rng = np.random.default_rng(seed)
        self._size, self._fps = size, fps
        self._count = 0
        self._sheet = printed(photo, size, rng)
        self._cover: NDArray[np.float32] = np.ones(self._sheet.shape[:2], np.float32)
        self._room = room(size, rng)
        self._grip = thumbs(self._sheet, _FILL * size[1], rng)
        self._hand = Hand(rng, 0.8)
        self._rolling = Drift(rng, (0.5, 0.45, 0.12), (0.12, 0.5))
        self._rolled = float(rng.choice([-0.45, 0.45]))
        self._sensor = Sensor(rng, size)
        self._lattice = Lattice(size)

    def __next__(self) -> Picture:
        """The next frame."""
        time = self._count / self._fps
        self._count += 1
        roll, projection = self._roll(time), self._projection(time)
        paper = self._paper_seen(projection, roll)
        slope = roll.slope(paper - self._middle)
        view, inside = self._view(paper)
        lit = self._lit(view, roll, slope)
        scene = laid(lit, self._room, inside)
        self._grip.lay(scene, self._held(projection, roll))
        return self._sensor.expose(scene, time)

    @property
    def _middle(self) -> NDArray[np.float32]:
        return np.array([self._sheet.shape[1], self._sheet.shape[0]], np.float32) / np.float32(2)

    def _roll(self, time: float) -> Roll:
        curvature, angle, place = self._rolling.at(time)
        rows, columns = self._sheet.shape[:2]
        return Roll((self._rolled + curvature) / columns * 1.6, angle, place * rows)

    def _projection(self, time: float) -> NDArray[np.float64]:
        x, y, distance, roll, yaw, pitch = self._hand.at(time)
        away = x, y, _FILL * (1 + distance)
        return project(self._size, (self._sheet.shape[1], self._sheet.shape[0]), away, turn(roll, yaw, pitch))

    def _paper_seen(self, projection: NDArray[np.float64], roll: Roll) -> NDArray[np.float32]:
        """Which place of the sheet, px, each point of the lattice sees."""
        back = np.linalg.inv(flat(projection))
        wanted = apply_homography(back, self._lattice.points)
        paper = wanted
        for _ in range(_ROUNDS):  # a bend moves little: what is missed is made up for on the flat sheet
            paper = paper + wanted - apply_homography(back, self._shown(paper, projection, roll))
        return paper

    def _held(self, projection: NDArray[np.float64], roll: Roll) -> NDArray[np.float32]:
        """Where the thumbs lie in the frame: their tips on the paper, but they do not bend with it."""
        ends = self._grip.ends
        straight = apply_homography(flat(projection), ends)
        return straight + (self._shown(ends, projection, roll) - straight)[:, 1:]

    def _shown(
        self, paper: NDArray[np.float32], projection: NDArray[np.float64], roll: Roll
    ) -> NDArray[np.float32]:
        """Where places of the sheet, px, lie in the frame."""
        space = roll.bend(paper - self._middle)
        space[..., :2] += self._middle
        seen = space @ projection[:, :3].T + projection[:, 3]
        return np.asarray(seen[..., :2] / seen[..., 2:], np.float32)

    def _view(self, paper: NDArray[np.float32]) -> tuple[Picture, NDArray[np.float32]]:
        """The paper, and its share of each pixel."""
        where = self._lattice.spread(paper)
        return looked_up(self._sheet, where), looked_up(self._cover, where, cv2.BORDER_CONSTANT)

    def _lit(self, view: Picture, roll: Roll, slope: NDArray[np.float64]) -> Picture:
        """Shade by slope, and a line of gloss where the paper faces the lamp."""
        gain = np.clip(roll.shade(slope) * 128, 0, 255).astype(np.float32)
        gloss = (_GLOSS * np.exp(-(((slope - 0.22) / 0.12) ** 2))).astype(np.float32)
        spread = self._lattice.spread(np.dstack([gain, gloss])).astype(np.uint8)
        gains, glosses = (cv2.merge([spread[..., number]] * 3) for number in (0, 1))
        return np.asarray(cv2.add(cv2.multiply(view, gains, scale=1 / 128), glosses), np.uint8)
