"""Frames to RGB pictures, for callers made here: the guard itself never converts a whole frame."""

import cv2
import numpy as np

from guard.core.types import Picture, VideoFrame


def rgb(frame: VideoFrame) -> Picture:
    """The whole frame in colour, but for an odd last row or column."""
    height, width = frame.height // 2 * 2, frame.width // 2 * 2
    planes = (
        frame.y[:height, :width],
        frame.u[: height // 2, : width // 2],
        frame.v[: height // 2, : width // 2],
    )
    stacked = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    return np.asarray(cv2.cvtColor(stacked, cv2.COLOR_YUV2RGB_I420), np.uint8)
