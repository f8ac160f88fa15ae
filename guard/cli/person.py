"""A clip read as a person: pictures in which a face was seen, and where it is in them."""

from collections.abc import Iterable

import cv2
import numpy as np

from guard.cli.colours import rgb
from guard.config import FaceSettings
from guard.core.geometry import even_size
from guard.core.types import FaceView, Picture, VideoFrame
from guard.faces.landmarker import load_model
from guard.faces.tracker import FaceTracker
from guard.simulate.testing.material import Person, Points, Size

FULL_HD = 1920 * 1080

Run = list[tuple[Picture, Points]]


def read_person(frames: Iterable[VideoFrame], settings: FaceSettings, most: int = FULL_HD) -> Person | None:
    """Of these frames the longest run with a face in each, by the largest face; None where no face was seen.

    Pictures of more than ``most`` pixels are scaled down to about that; all are as large as the first.
    """
    best: Run = []
    run: Run = []
    size: Size | None = None
    with FaceTracker(settings, load_model(settings)) as tracker:
        for frame in frames:
            face = max(tracker.observe(frame, frame.pts), key=lambda one: one.box.size, default=None)
            if face is None:
                run = []
                continue
            size = size or even_size(frame.width, frame.height, most)
            run.append(_scaled(frame, face, size))
            best = max(best, run, key=len)
    if not best:
        return None
    pictures, points = zip(*best, strict=True)
    return Person(pictures, points)


def _scaled(frame: VideoFrame, face: FaceView, size: Size) -> tuple[Picture, Points]:
    """The picture in this size, and the face's landmarks in it."""
    method = cv2.INTER_AREA if size[0] < frame.width else cv2.INTER_LINEAR
    picture = np.asarray(cv2.resize(rgb(frame), size, interpolation=method), np.uint8)
    return picture, np.asarray(face.landmarks[:, :2] * np.array(size), np.float32)
