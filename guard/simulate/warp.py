"""Shared by simulators: smooth wandering, where a camera puts a point, and what its sensor adds."""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.core.units import Seconds

Matrix = NDArray[np.float64]
"""An affine (2, 3) or perspective (3, 3) transform of the picture plane, source to output, px."""

Points = NDArray[np.floating]
"""Points (n, 2), x and y in px."""

_WAVES = 5
_NOISE_MARGIN = 64


class Drift:
    """Several values that wander smoothly and for ever: sums of sines whose periods share no multiple."""

    def __init__(
        self, rng: np.random.Generator, amplitudes: tuple[float, ...], band_hz: tuple[float, float]
    ) -> None:
        """Each value stays within plus and minus its amplitude; ``band_hz`` bounds its frequencies."""
        shape = (len(amplitudes), _WAVES)
        shares = rng.uniform(0.5, 1.5, shape)
        self._amplitudes = np.array(amplitudes)[:, None] * shares / shares.sum(axis=1, keepdims=True)
        self._omega = 2 * np.pi * rng.uniform(*band_hz, shape)
        self._phase = rng.uniform(0, 2 * np.pi, shape)

    def at(self, time: Seconds) -> tuple[float, ...]:
        """The values at a moment."""
        waves = np.sin(self._omega * time + self._phase)
        return tuple((self._amplitudes * waves).sum(axis=1).tolist())


class Sensor:
    """What a small camera adds to a scene: exposure that hunts, and noise that never repeats."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], noise: float = 2.0) -> None:
        """``size`` is (width, height) of the pictures, ``noise`` a standard deviation in 8-bit steps."""
        self._rng = rng
        self._size = size
        self._exposure = Drift(rng, (0.05, 0.012, 0.012), (0.03, 0.4))
        noises = _noise_bank(rng, size, noise)
        self._noises = noises, np.ascontiguousarray(noises[:, ::-1])

    def expose(self, picture: Picture, time: Seconds) -> Picture:
        """A new picture of the same shape as this camera would have taken it at ``time``."""
        gain, red, blue = self._exposure.at(time)
        gains = np.array([1 + gain + red, 1 + gain, 1 + gain + blue])
        table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)
        lit = cv2.LUT(picture, table[None])
        return np.asarray(cv2.add(lit, self._grain(), dtype=cv2.CV_8U), np.uint8)

    def _grain(self) -> NDArray[np.int16]:
        """A random window of the noise bank, at random mirrored."""
        width, height = self._size
        x, y = self._rng.integers(0, _NOISE_MARGIN, 2).tolist()
        if self._rng.integers(2):
            x = _NOISE_MARGIN - x
            return self._noises[1][y : y + height, x : x + width]
        return self._noises[0][y : y + height, x : x + width]


def _noise_bank(rng: np.random.Generator, size: tuple[int, int], noise: float) -> NDArray[np.int16]:
    """Noise larger than a picture, mostly luma, slightly smeared as demosaicing leaves it."""
    width, height = size[0] + _NOISE_MARGIN, size[1] + _NOISE_MARGIN
    luma = rng.normal(0, 1, (height, width, 1)).astype(np.float32)
    colour = rng.normal(0, 0.5, (height, width, 3)).astype(np.float32)
    smeared = np.asarray(cv2.GaussianBlur(luma + colour, (3, 3), 0.6), np.float32)
    return np.asarray(np.rint(smeared * (noise / smeared.std())), np.int16)


def camera_matrix(
    source: tuple[int, int],
    output: tuple[int, int],
    zoom: float,
    shift: tuple[float, float] = (0.0, 0.0),
    roll: float = 0.0,
) -> Matrix:
    """The affine transform of a picture of size ``source`` into one of size ``output``, both (width, height).

    At ``zoom`` 1 the source just covers the output. ``shift`` is in shares of the output's sides, ``roll``
    in radians.
    """
    scale = zoom * max(output[0] / source[0], output[1] / source[1])
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    turn = np.array([[cos, -sin], [sin, cos]])
    middle = np.array(output) * (0.5 + np.array(shift)) - 0.5
    offset = middle - turn @ ((np.array(source) - 1) / 2)
    return np.column_stack([turn, offset])


def move_points(matrix: Matrix, points: Points) -> NDArray[np.float32]:
    """Where an affine transform puts points: float32 (n, 2)."""
    return (points[:, :2] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def require_picture(name: str, picture: Picture) -> None:
    """Raise ShapeError unless ``picture`` is RGB, uint8 (height, width, 3)."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:  # noqa: PLR2004 -- three axes, three colours
        msg = f"{name}: expected RGB uint8 (height, width, 3), got {picture.dtype} {picture.shape}"
        raise ShapeError(msg)
