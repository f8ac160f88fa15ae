"""What happens to a picture before anybody judges it: small size, something before it, light, noise, coding.

Drawn alike for bona fide pictures and attacks, so that none of it becomes the cue.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from guard.simulate.training.pictures import (
    Picture,
    blur,
    chance,
    check_picture,
    gamma,
    jpeg,
    mix,
    recolour,
    resize,
    smooth_noise,
    to_bytes,
)

Recode = Callable[[Picture, np.random.Generator], Picture]
"""A lossy round trip through a codec, handed in by whoever owns a codec."""


@dataclass(frozen=True, slots=True)
class Call:
    """How rough the call is: sizes are those of the whole crop in the call, in pixels."""

    strength: float = 1.0
    """0 leaves the picture nearly alone, 1 is a poor call."""
    smallest_px: int = 48
    largest_px: int = 176


def degrade(
    picture: Picture, size: int, call: Call, rng: np.random.Generator, recode: Recode | None = None
) -> Picture:
    """Carry a square crop through a call and return it as uint8 (size, size, 3)."""
    return resize(carried(picture, call, rng, recode), size, size)


def carried(picture: Picture, call: Call, rng: np.random.Generator, recode: Recode | None = None) -> Picture:
    """Carry a square crop through a call and return it at the even size that it has there.

    First that size (the rest is then cheap), then what passes before it, light, blur, sensor noise, coding.
    Without ``recode`` the coding is JPEG.
    """
    check_picture(picture)
    sent = resize(picture, *[_sent_px(picture.shape[1], call, rng)] * 2)
    if chance(rng, 0.2 * call.strength):
        sent = occluded(sent, rng)
    sent = _camera(sent, call, rng)
    if chance(rng, 0.6 * call.strength):
        sent = sensor_noise(sent, rng.uniform(1, 8) * call.strength, rng)
    if chance(rng, 0.25 + 0.6 * call.strength):
        sent = recode(sent, rng) if recode is not None and chance(rng, 0.7) else _jpeg(sent, call, rng)
    return sent


def occluded(picture: Picture, rng: np.random.Generator) -> Picture:
    """Something before a part of the face: a soft-edged ellipse or bar of one colour, unevenly lit."""
    side = picture.shape[1]
    shape, colour = np.zeros(picture.shape[:2], np.float32), rng.uniform(20, 230) + rng.normal(0, 20, 3)
    middle, turn = rng.uniform(0.1, 0.9, 2) * side, rng.uniform(0, 180)
    size = rng.uniform(0.08, 0.3, 2) * side
    if chance(rng, 0.5):
        cv2.ellipse(shape, (middle.tolist(), size.tolist(), turn), 1.0, -1)
    else:
        bar = cv2.boxPoints((middle.tolist(), (2 * side, float(size[0]) / 2), turn))
        cv2.fillConvexPoly(shape, np.rint(bar).astype(np.int32), 1.0)
    lit = colour + 25 * smooth_noise(picture.shape[:2], 3, rng)[:, :, np.newaxis]
    return mix(picture, to_bytes(lit), blur(shape, rng.uniform(0.5, 3.0)))


def beautified(picture: Picture, rng: np.random.Generator) -> Picture:
    """A face as a beauty filter leaves it: smooth between its edges, a little lighter."""
    reach, likeness = int(rng.integers(5, 10)), rng.uniform(15, 60)
    smooth = cv2.bilateralFilter(picture, reach, likeness, rng.uniform(3, 9))
    share = rng.uniform(0.4, 1)
    return to_bytes(picture * (1 - share) + smooth * share + rng.uniform(0, 8))


def sensor_noise(picture: Picture, sigma: float, rng: np.random.Generator) -> Picture:
    """Gaussian noise of ``sigma`` grey levels, partly common to the three channels."""
    height, width = picture.shape[:2]
    grey = rng.standard_normal((height, width, 1), np.float32)
    colour = rng.standard_normal((height, width, 3), np.float32)
    return to_bytes(picture + sigma * (0.8 * grey + 0.6 * colour))


def _jpeg(picture: Picture, call: Call, rng: np.random.Generator) -> Picture:
    """The quality falls with the call's strength."""
    return jpeg(picture, int(rng.integers(round(90 - 60 * call.strength), 96)))


def _camera(picture: Picture, call: Call, rng: np.random.Generator) -> Picture:
    seen = picture
    if chance(rng, 0.8):
        seen = recolour(seen, call.strength * rng.uniform(0.3, 1.2), rng)
    if chance(rng, 0.5):
        seen = gamma(seen, float(np.exp(rng.uniform(-0.5, 0.5) * call.strength)))
    if chance(rng, 0.3 * call.strength):
        seen = blur(seen, rng.uniform(0.4, 1.6) * seen.shape[0] / 128)
    if chance(rng, 0.05):
        seen = np.repeat(cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)[:, :, np.newaxis], 3, axis=2).astype(np.uint8)
    return seen


def _sent_px(full_px: int, call: Call, rng: np.random.Generator) -> int:
    """The crop's side in the call: never enlarged, log-uniform between the call's limits, even."""
    if not chance(rng, 0.2 + 0.8 * call.strength):
        return full_px
    largest = min(call.largest_px, full_px)
    smallest = min(call.smallest_px, largest)
    return round(float(np.exp(rng.uniform(np.log(smallest), np.log(largest)))) / 2) * 2
