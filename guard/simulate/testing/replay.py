"""Test variant of a replay: a moving clip on a phone in the hand, or on a monitor before a steady camera.

The display's pixels are drawn as the camera meets them: each colour's stripe, blurred by what lens and sensor
blur, is looked up at the place that a sensor's pixel sees. What moire there is comes of that sampling.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.types import Picture
from guard.core.units import Seconds
from guard.simulate.extend import walk
from guard.simulate.testing.fingers import Finger, Grip
from guard.simulate.testing.held import Hand, flat, project, room, turn
from guard.simulate.testing.lattice import Lattice, apply_homography, laid, looked_up
from guard.simulate.testing.material import Person
from guard.simulate.testing.photo import portrait_window
from guard.simulate.warp import Drift, Sensor

_ONE = 128
"""What stands for a factor of 1 in 8 bits."""

_BARREL = -0.025
"""The lens's distortion at the frame's edge; it bends the moire."""


@dataclass(frozen=True, slots=True)
class Display:
    """What the clip is shown on, and how it stands before the camera."""

    rows: int
    """Its pixels from top to bottom."""
    aspect: float | None
    """Width over height; None: that of the camera's frames."""
    face_share: float
    """Height of the face over the display's, where the clip allows."""
    bezel: float
    """Width of the frame about the display, in heights of it."""
    corner: float
    """Radius of the outer corners, in heights of it."""
    gamma: float
    black: float
    """What black comes out as, 0..255: backlight and reflected room."""
    white: tuple[float, float, float]
    """What white comes out as, RGB 0..255."""
    blur: float
    """Standard deviation of what lens and sensor blur, in pixels of the display."""
    bands: float
    """Dark bands from top to bottom, of its refresh against the shutter."""
    band_depth: float
    glare: float
    """Brightest reflection, 8-bit steps."""
    fill: float
    """Height over the frame's."""
    sway: float
    """Of the hand, 0 for a stand."""


DISPLAYS: dict[Literal["phone", "monitor"], Display] = {
    "phone": Display(
        1334, 0.6, 0.42, 0.035, 0.07, 1.12, 12.0, (238.0, 246.0, 255.0), 0.36, 2.6, 0.075, 38.0, 1.06, 0.8
    ),
    "monitor": Display(
        1080, None, 0.01, 0.03, 0.01, 1.22, 20.0, (226.0, 240.0, 255.0), 0.43, 1.7, 0.06, 26.0, 1.03, 0.0
    ),
}
"""Displays by name."""


@dataclass(frozen=True, slots=True)
class View:
    """What each pixel of the camera sees of the display."""

    clip: NDArray[np.float32]
    """(height, width, 2): px of the clip's cut."""
    columns: NDArray[np.uint8]
    """(height, width, 3): light let through across the display's pixels, 128 is the mean."""
    rows: NDArray[np.uint8]
    """(height, width): the same along them."""
    inside: NDArray[np.float32]
    """(height, width): share of the device in each pixel."""
    homography: NDArray[np.float64]
    """Pixels of the display to px of the frame."""


class Replay(Iterator[Picture]):
    """Endless frames of a clip on a display; the clip wanders in time, so that no loop gives it away."""

    def __init__(
        self,
        person: Person,
        size: tuple[int, int],
        seed: int,
        *,
        fps: float = 30.0,
        display: Literal["phone", "monitor"] = "phone",
        noise: float = 2.0,
    ) -> None:
        """``size``: (width, height) of the camera's frames, px; ``noise``: of its sensor, 8-bit steps."""
        rng = np.random.default_rng(seed)
        self._display = DISPLAYS[display]
        self._size, self._fps = size, fps
        self._count = 0
        aspect = self._display.aspect or size[0] / size[1]
        self._pixels = round(self._display.rows * aspect), self._display.rows
        window = portrait_window(person.clip[0].shape, person.place(), aspect, self._display.face_share)
        self._clip = [picture[window] for picture in person.clip]
        self._walk = walk(len(self._clip), rng, fps)
        self._shown = self._clip[next(self._walk)]
        self._tone = _tone(self._display)
        self._room = room(size, rng)
        self._glare = _glare(size, self._display.glare, self._room, rng)
        sway = self._display.sway
        grip = _grip(self._display, aspect, size[1], rng) if sway else None
        self._stand = (rng.uniform(-1, 1, 6) * (0.015, 0.015, 0.02, 0.012, 0.07, 0.04)).tolist()
        self._held = None if grip is None else (Hand(rng, sway), grip)
        """None on a stand."""
        self._refresh = Drift(rng, (1.6, 0.25), (0.05, 0.35))
        self._refresh_hz = float(rng.choice([-1, 1]) * rng.uniform(0.12, 0.4))
        self._ghost = Drift(rng, (0.25,), (0.4, 2.0))
        self._sensor = Sensor(rng, size, noise)
        self._lattice = Lattice(size)
        self._stripes = _stripes(self._display.blur), _lines(self._display.blur)
        self._steady = None if self._held else self._view(self._stand)

    def __next__(self) -> Picture:
        """The next frame."""
        time = self._count / self._fps
        self._count += 1
        pose = self._stand if self._held is None else np.add(self._stand, self._held[0].at(time)).tolist()
        view = self._steady or self._view(pose)
        glowing = self._glow(self._exposed(time), view, time)
        lit = cv2.add(glowing, self._reflected(pose))
        seen = laid(np.asarray(lit, np.uint8), self._room, view.inside)
        if self._held is not None:
            grip = self._held[1]
            grip.lay(seen, apply_homography(view.homography, grip.ends))
        return self._sensor.expose(seen, time)

    def _exposed(self, time: Seconds) -> Picture:
        """What the display shows while the shutter is open: at times two pictures of the clip."""
        before, self._shown = self._shown, self._clip[next(self._walk)]
        share = max(0.0, self._ghost.at(time)[0] + 0.1)
        return np.asarray(cv2.addWeighted(before, share, self._shown, 1 - share, 0), np.uint8)

    def _view(self, pose: list[float]) -> View:
        display, (width, height) = self._display, self._pixels
        x, y, distance, roll, yaw, pitch = pose
        away = x, y, display.fill * (1 + distance)
        matrix = flat(project(self._size, (width, height), away, turn(roll, yaw, pitch)))
        at = apply_homography(np.linalg.inv(matrix), _through_lens(self._lattice.points, self._size))
        scale = np.divide(self._clip[0].shape[1::-1], (width, height)).astype(np.float32)
        deep = _inside(at / np.float32(height), width / height, display)
        phases = self._lattice.spread(at * np.float32(256)).astype(np.int32).astype(np.uint8)
        columns, rows = phases[..., 0], phases[..., 1]
        inside = np.clip(self._lattice.spread(deep) * display.fill * self._size[1] + 0.5, 0, 1)
        return View(
            clip=np.ascontiguousarray(self._lattice.spread(at * scale)),
            columns=np.asarray(cv2.LUT(cv2.merge([columns] * 3), self._stripes[0]), np.uint8),
            rows=np.asarray(cv2.LUT(rows, self._stripes[1]), np.uint8),
            inside=np.asarray(inside, np.float32),
            homography=matrix,
        )

    def _glow(self, shown: Picture, view: View, time: Seconds) -> Picture:
        """The light of the display as it falls on the sensor."""
        seen = looked_up(shown, view.clip, cv2.BORDER_CONSTANT)
        toned = cv2.LUT(cv2.GaussianBlur(seen, (3, 3), 0.7), self._tone)
        rows = cv2.multiply(view.rows, self._banded(time), scale=1 / _ONE)
        grid = cv2.multiply(view.columns, cv2.merge([rows] * 3), scale=1 / _ONE)
        return np.asarray(cv2.multiply(toned, grid, scale=1 / _ONE), np.uint8)

    def _banded(self, time: Seconds) -> NDArray[np.uint8]:
        """Brightness of each pixel, 128 is the mean: bands that wander, and corners that are darker."""
        wander, breadth = self._refresh.at(time)
        height = self._size[1]
        y = self._lattice.points[..., 1] / height
        phase = 2 * np.pi * (y * self._display.bands * (1 + breadth) + self._refresh_hz * time) + wander
        bands = self._display.band_depth * np.clip(1.6 * np.sin(phase), -1, 1)
        away = ((self._lattice.points - np.array(self._size) / 2) ** 2).sum(axis=2) / height**2
        gain = (1 - bands) * (1 - 0.16 * away) * _ONE
        return np.rint(self._lattice.spread(gain.astype(np.float32))).astype(np.uint8)

    def _reflected(self, pose: list[float]) -> Picture:
        """The window of the room's reflection that this pose shows."""
        spare = self._glare.shape[1] - self._size[0]
        start = round(float(np.clip(0.5 + (pose[4] - pose[5]) * 2.0, 0, 1)) * spare)
        return self._glare[:, start : start + self._size[0]]


def _grip(display: Display, aspect: float, height: int, rng: np.random.Generator) -> Grip:
    """A hand from below: its thumb over the left edge, its fingers from behind about the right one."""
    left, right = -display.bezel, aspect + display.bezel
    thumb = Finger((left - rng.uniform(0.08, 0.16), 1.25), (left + rng.uniform(0.04, 0.1), 0.72), 0.1)
    tips = [(right - rng.uniform(0.03, 0.07), y + rng.uniform(-0.008, 0.008)) for y in (0.56, 0.66, 0.76)]
    fingers = [Finger((right + 0.06, tip[1] + 0.015), tip, 0.085) for tip in tips]
    return Grip([thumb, *fingers], display.rows, display.fill * height, rng)


def _tone(display: Display) -> NDArray[np.uint8]:
    """The display's and the camera's tone curve and white point, as a table (1, 256, 3)."""
    light = (np.arange(256) / 255)[:, None] ** display.gamma
    tone = display.black + light * (np.array(display.white) - display.black)
    return np.asarray(np.rint(tone), np.uint8)[None]


def _profile(centre: float, width: float, blur: float) -> NDArray[np.float64]:
    """Light of one stripe in each pixel at 256 places across it, its mean 1: a box blurred by a bell."""
    at = (np.arange(256) + 0.5) / 256
    waves = np.arange(1, 9)[:, None]
    strength = 2 * np.sinc(waves * width) * np.exp(-2 * (np.pi * waves * blur) ** 2)
    return np.asarray(1 + (strength * np.cos(2 * np.pi * waves * (at - centre))).sum(axis=0))


def _stripes(blur: float) -> NDArray[np.uint8]:
    """Across a pixel: red, green and blue beside each other; a table (1, 256, 3)."""
    profiles = [_profile((number + 0.5) / 3, 0.26, blur) for number in range(3)]
    return np.clip(np.rint(np.stack(profiles, axis=1) * _ONE), 0, 255).astype(np.uint8)[None]


def _lines(blur: float) -> NDArray[np.uint8]:
    """Along a pixel: the dark line between two rows; a table (256,)."""
    return np.clip(np.rint(_profile(0.5, 0.78, blur) * _ONE), 0, 255).astype(np.uint8)


def _through_lens(points: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Where the light of each pixel would fall without the lens's distortion."""
    middle = np.array(size, np.float32) / 2
    away = points - middle
    square = (away**2).sum(axis=2, keepdims=True) / float((middle**2).sum())
    return np.asarray(middle + away * (1 - _BARREL * square), np.float32)


def _inside(at: NDArray[np.float32], aspect: float, display: Display) -> NDArray[np.float32]:
    """How deep inside the device's outline, in heights of the display; its corners are round."""
    half = np.array([aspect, 1.0]) / 2 + display.bezel
    over = np.abs(at - np.array([aspect, 1.0]) / 2) - half + display.corner
    outside = np.sqrt((np.maximum(over, 0) ** 2).sum(axis=2))
    return np.asarray(display.corner - outside - np.minimum(over.max(axis=2), 0), np.float32)


def _glare(size: tuple[int, int], strength: float, mirrored: Picture, rng: np.random.Generator) -> Picture:
    """What the glass reflects, two frames wide: a lamp, and faintly the room."""
    width, height = size
    y, x = np.mgrid[0:height, 0 : 2 * width].astype(np.float32)
    centre = rng.uniform(0.7, 1.3) * width, rng.uniform(0.1, 0.35) * height
    away = ((x - centre[0]) / (0.16 * width)) ** 2 + ((y - centre[1]) / (0.22 * height)) ** 2
    lamp = strength * np.exp(-away)[..., None] * np.array([1.0, 0.95, 0.85])
    across = cv2.resize(mirrored[:, ::-1], (2 * width, height))
    return np.asarray(np.clip(lamp + 0.05 * np.asarray(across, np.float32), 0, 255), np.uint8)
