"""Words shared by the training variants: what a picture and a mask are, and small seeded steps on them."""

from typing import TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.core.errors import ShapeError

Picture: TypeAlias = NDArray[np.uint8]
"""uint8 (height, width, 3), RGB, rows top to bottom."""

Mask: TypeAlias = NDArray[np.float32]
"""float32 (height, width), 0..1: the share of the attack in each pixel."""

Points: TypeAlias = NDArray[np.floating]
"""(n, 2 or more): x, y in pixels of the picture they belong to."""


_Plane = TypeVar("_Plane", NDArray[np.uint8], NDArray[np.float32])

SMALLEST_PX = 16
FEWEST_POINTS = 3
_UNSEEN_BLUR_PX = 0.2


def check_picture(picture: Picture) -> None:
    """Refuse anything that is not uint8 (height, width, 3) and at least 16 px on each side."""
    coloured = picture.shape[2:] == (3,)
    if picture.dtype != np.uint8 or not coloured or min(picture.shape[:2]) < SMALLEST_PX:
        raise ShapeError(
            f"expected an RGB picture uint8 (height, width, 3) of {SMALLEST_PX} px or more,"
            f" came {picture.dtype} {picture.shape}; convert it to RGB bytes first"
        )


def check_points(points: Points) -> None:
    """Refuse landmarks that are not finite (n >= 3, 2 or more)."""
    listed = points.ndim == 2 and points.shape[1] >= 2  # noqa: PLR2004 -- x and y
    if not listed or len(points) < FEWEST_POINTS or not np.isfinite(points).all():
        raise ShapeError(
            f"expected finite landmarks (n >= 3, 2 or more) in pixels, came {points.dtype} {points.shape};"
            " leave pictures without a face out"
        )


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with ``probability``."""
    return bool(rng.random() < probability)


def to_bytes(picture: NDArray[np.floating]) -> Picture:
    """Round to uint8, clipped to 0..255."""
    rounded: Picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return rounded


def to_mask(values: NDArray[np.floating]) -> Mask:
    """Shares clipped to 0..1."""
    clipped: Mask = np.clip(values, 0, 1).astype(np.float32)
    return clipped


def mix(below: Picture, above: Picture, mask: Mask) -> Picture:
    """``above`` laid over ``below`` where ``mask`` says so."""
    share = mask[:, :, np.newaxis]
    return to_bytes(below * (1 - share) + above * share)


def blur(picture: _Plane, sigma: float) -> _Plane:
    """Gaussian blur; a ``sigma`` under 0.2 px changes nothing."""
    if sigma < _UNSEEN_BLUR_PX:
        return picture
    blurred = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return blurred.astype(picture.dtype, copy=False)


def resize(picture: Picture, width: int, height: int) -> Picture:
    """Resize by area averaging downwards, linearly upwards."""
    shrinks = width < picture.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, height), interpolation=method).astype(np.uint8, copy=False)


def jpeg(picture: Picture, quality: int) -> Picture:
    """A JPEG round trip at ``quality`` 0..100."""
    _, coded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[:, :, ::-1])


def smooth_noise(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Slowly varying noise, float32 (height, width), about -1..1: ``cells`` x ``cells`` values, enlarged."""
    coarse = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def recolour(picture: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Shift hue, saturation, brightness and the colour balance; 1.0 is about what two cameras differ by."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[:, :, 0] = (hsv[:, :, 0] + rng.uniform(-4, 4) * strength) % 180
    hsv[:, :, 1] *= 1 + rng.uniform(-0.25, 0.25) * strength
    hsv[:, :, 2] *= 1 + rng.uniform(-0.2, 0.2) * strength
    shifted = cv2.cvtColor(to_bytes(hsv), cv2.COLOR_HSV2RGB).astype(np.float32)
    return to_bytes(shifted + rng.uniform(-12, 12, 3) * strength)


def gamma(picture: Picture, exponent: float) -> Picture:
    """Apply ``exponent`` to the 0..1 values (over 1 is darker)."""
    table = to_bytes(255 * (np.arange(256) / 255.0) ** exponent)
    return np.asarray(cv2.LUT(picture, table), np.uint8)
