"""Training variants of tone and softness, made cheap: they run for every picture of every batch."""

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.pictures import Picture, blur

_SHARP_PX = 2.0


def toned(
    picture: Picture, exponent: float, colour: float, gain: NDArray[np.floating], black: float
) -> Picture:
    """A tone curve, ``colour`` times the saturation, ``black`` added, then each channel times ``gain``.

    ``exponent`` over 1 is darker, ``colour`` 0 is grey, ``gain`` has 3 values, ``black`` is in grey levels.
    """
    curve = np.rint(255 * (np.arange(256) / 255.0) ** exponent).astype(np.uint8)
    mixing = (np.eye(3) * colour + (1 - colour) / 3) * np.asarray(gain)[:, np.newaxis]
    matrix = np.column_stack([mixing, np.asarray(gain) * black])
    return np.asarray(cv2.transform(np.asarray(cv2.LUT(picture, curve)), matrix), np.uint8)


def defocused(picture: Picture, sigma_px: float) -> Picture:
    """Gaussian blur; a wide one works on a smaller copy."""
    if sigma_px <= _SHARP_PX:
        return blur(picture, sigma_px)
    height, width = picture.shape[:2]
    share = min(8, int(sigma_px))
    small = cv2.resize(picture, (width // share, height // share), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma_px / share, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
