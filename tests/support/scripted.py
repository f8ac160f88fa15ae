"""Faces and detectors that follow a script."""

import numpy as np

from guard.core.geometry import bounding_box
from guard.core.types import BLENDSHAPES, LANDMARKS, Cue, FaceView, Quality, Reason, Score, VideoFrame
from guard.core.units import FaceId, Seconds
from tests.support.faces import drawn_points


def view_of(frame: VideoFrame, face_id: FaceId) -> FaceView:
    """A face of good quality in the middle of the frame."""
    points = drawn_points((frame.width / 2, frame.height / 2), frame.height * 0.8)
    flat = points / np.array([frame.width, frame.height], np.float32)
    return FaceView(
        face_id=face_id,
        box=bounding_box(points),
        landmarks=np.column_stack([flat, np.zeros(LANDMARKS)]).astype(np.float32),
        blendshapes=np.zeros(BLENDSHAPES, np.float32),
        pose=np.eye(4, dtype=np.float32),
        quality=Quality(size_px=90.0, sharpness=100.0, luma=120.0, yaw=0.0, pitch=0.0),
        frame=frame,
        crop=lambda _scale, size, _border="reflect": np.zeros((size, size, 3), np.uint8),
    )


class ScriptedFaces:
    """Shows a face with this id in every frame, or none."""

    def __init__(self) -> None:
        self.face_id: FaceId | None = 1
        self.closed = False

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        del now
        return () if self.face_id is None else (view_of(frame, self.face_id),)

    def close(self) -> None:
        self.closed = True


class ScriptedDetector:
    """Says the same of every face."""

    cue = Cue.FACE_MANIPULATION

    def __init__(self, value: float) -> None:
        self.value = value
        self.seen = 0

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        del face, now
        self.seen += 1
        return Score(self.cue, self.value, 1.0, Reason.LEARNED_SCORE)

    def reset(self) -> None:
        self.seen = 0
