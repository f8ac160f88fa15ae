from pathlib import Path

import numpy as np
import pytest

from guard.core.geometry import Box
from guard.core.types import Cue, FaceView, Picture, Quality, Reason, VideoFrame
from guard.detectors.network import NetworkDetector
from guard.inference.manifest import Manifest, read_manifest
from tests.support.models import MeanEngine, write_engine

pytestmark = pytest.mark.unit


class GreyCropper:
    """Cuts a grey crop and remembers what was asked for."""

    def __init__(self, grey: int) -> None:
        self.grey = grey
        self.asked: list[tuple[float, int]] = []

    def __call__(self, scale: float, size: int) -> Picture:
        """Cut."""
        self.asked.append((scale, size))
        return np.full((size, size, 3), self.grey, np.uint8)


def face(cropper: GreyCropper, size_px: float = 100.0, reasons: tuple[Reason, ...] = ()) -> FaceView:
    chroma = np.full((60, 80), 128, np.uint8)
    frame = VideoFrame(np.zeros((120, 160), np.uint8), chroma, chroma, 0.0, 0.0, 0.0)
    return FaceView(
        face_id=1,
        box=Box(0, 0, size_px, size_px),
        landmarks=np.zeros((478, 3), np.float32),
        blendshapes=np.zeros(52, np.float32),
        pose=np.eye(4, dtype=np.float32),
        quality=Quality(size_px, 100.0, 120.0, 0.0, 0.0, reasons),
        frame=frame,
        crop=cropper,
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_manifest(write_engine(tmp_path))


def test_scores_the_crop_that_the_manifest_asks_for(manifest: Manifest) -> None:
    engine, cropper = MeanEngine(), GreyCropper(150)
    score = NetworkDetector(engine, manifest, Cue.FACE_MANIPULATION).observe(face(cropper), 0.0)
    assert cropper.asked == [(1.5, 8)]
    assert np.allclose(engine.fed[0], 1.0)  # (150 - 100) / 50
    assert score is not None
    assert score.cue is Cue.FACE_MANIPULATION
    assert score.value == pytest.approx(1 / (1 + np.exp(-2.5)))  # slope 2, bias 0.5
    assert (score.weight, score.reason) == (1.0, Reason.LEARNED_SCORE)


def test_small_faces_weigh_less(manifest: Manifest) -> None:
    detector = NetworkDetector(MeanEngine(), manifest, Cue.FACE_MANIPULATION)
    score = detector.observe(face(GreyCropper(150), size_px=50.0), 0.0)
    assert score is not None
    assert score.weight == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("size_px", "reasons", "told"),
    [
        (100.0, (Reason.BLURRED, Reason.TURNED), Reason.BLURRED),
        (30.0, (), Reason.TOO_SMALL),
    ],
)
def test_abstains_without_inference(
    manifest: Manifest, size_px: float, reasons: tuple[Reason, ...], told: str
) -> None:
    engine, cropper = MeanEngine(), GreyCropper(150)
    score = NetworkDetector(engine, manifest, Cue.FACE_PRESENTATION).observe(
        face(cropper, size_px, reasons), 0.0
    )
    assert score is not None
    assert (score.weight, score.value, score.reason) == (0.0, 0.5, told)
    assert engine.fed == []
    assert cropper.asked == []
