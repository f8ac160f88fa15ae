from pathlib import Path

import numpy as np
import pytest

from guard.core.geometry import Box
from guard.core.types import Cropper, Cue, FaceView, Picture, Quality, Reason, VideoFrame
from guard.detectors.network import NetworkDetector
from guard.inference.calibration import InstabilitySection
from guard.inference.manifest import Manifest, read_manifest
from tests.support.models import MeanEngine, write_engine

pytestmark = pytest.mark.unit


class GreyCropper:
    """Cuts a grey crop and remembers what was asked for."""

    def __init__(self, grey: int) -> None:
        self.grey = grey
        self.asked: list[tuple[float, int, str]] = []

    def __call__(self, scale: float, size: int, border: str = "reflect") -> Picture:
        """Cut."""
        self.asked.append((scale, size, border))
        return np.full((size, size, 3), self.grey, np.uint8)


def face(cropper: Cropper, size_px: float = 100.0, reasons: tuple[Reason, ...] = ()) -> FaceView:
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
    assert cropper.asked == [(1.5, 8, "reflect")]
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


class ZoomCropper:
    """A crop that is the brighter the tighter it is cut, by ``per_zoom`` grey levels for the whole of it."""

    def __init__(self, grey: int, per_zoom: float) -> None:
        self.grey = grey
        self.per_zoom = per_zoom
        self.asked: list[tuple[float, int, str]] = []

    def __call__(self, scale: float, size: int, border: str = "reflect") -> Picture:
        """Cut."""
        self.asked.append((scale, size, border))
        grey = self.grey + self.per_zoom * (1.5 - scale) / 1.5
        return np.full((size, size, 3), round(grey), np.uint8)


@pytest.fixture
def wary(manifest: Manifest) -> Manifest:
    """Looks twice at every third score."""
    rule = InstabilitySection(every=3, zoom=0.9, most=0.2)
    calibration = manifest.calibration.model_copy(update={"instability": rule})
    return manifest.model_copy(update={"calibration": calibration})


def told(detector: NetworkDetector, cropper: ZoomCropper) -> tuple[float, Reason]:
    score = detector.observe(face(cropper), 0.0)
    assert score is not None
    return score.weight, score.reason


STEADY, SHAKY = (0.0, 600.0)


def test_every_few_scores_it_looks_twice_in_one_batch(wary: Manifest) -> None:
    engine, cropper = MeanEngine(), ZoomCropper(90, STEADY)
    detector = NetworkDetector(engine, wary, Cue.FACE_MANIPULATION)
    assert {told(detector, cropper) for _ in range(7)} == {(1.0, Reason.LEARNED_SCORE)}
    assert [len(batch) for batch in engine.fed] == [2, 1, 1, 2, 1, 1, 2]
    assert cropper.asked[:2] == [(1.5, 8, "reflect"), (pytest.approx(1.35), 8, "reflect")]


def test_a_score_that_moves_with_the_crop_is_not_believed_until_the_next_look(wary: Manifest) -> None:
    engine = MeanEngine()
    detector = NetworkDetector(engine, wary, Cue.FACE_MANIPULATION)
    seen = [SHAKY, STEADY, STEADY, STEADY, SHAKY, STEADY]
    weights = [told(detector, ZoomCropper(90, kind)) for kind in seen]
    assert weights == [(0.0, Reason.UNSTABLE)] * 3 + [(1.0, Reason.LEARNED_SCORE)] * 3
    assert [len(batch) for batch in engine.fed] == [2, 2, 1, 1]  # what is not believed costs nothing


def test_a_move_far_from_the_middle_is_no_instability(wary: Manifest) -> None:
    detector = NetworkDetector(MeanEngine(), wary, Cue.FACE_MANIPULATION)
    assert told(detector, ZoomCropper(190, SHAKY)) == (1.0, Reason.LEARNED_SCORE)


def test_reset_forgets_that_the_track_was_unstable(wary: Manifest) -> None:
    engine = MeanEngine()
    detector = NetworkDetector(engine, wary, Cue.FACE_MANIPULATION)
    assert told(detector, ZoomCropper(90, SHAKY)) == (0.0, Reason.UNSTABLE)
    detector.reset()
    assert told(detector, ZoomCropper(90, STEADY)) == (1.0, Reason.LEARNED_SCORE)
    assert [len(batch) for batch in engine.fed] == [2, 2]


def test_faces_that_cannot_be_judged_do_not_count_as_looks(wary: Manifest) -> None:
    engine = MeanEngine()
    detector = NetworkDetector(engine, wary, Cue.FACE_MANIPULATION)
    detector.observe(face(GreyCropper(90), 30.0), 0.0)
    detector.observe(face(GreyCropper(90), reasons=(Reason.BLURRED,)), 0.0)
    detector.observe(face(GreyCropper(90)), 0.0)
    assert [len(batch) for batch in engine.fed] == [2]


def test_a_manifest_without_the_rule_never_looks_twice(manifest: Manifest) -> None:
    engine = MeanEngine()
    detector = NetworkDetector(engine, manifest, Cue.FACE_MANIPULATION)
    assert told(detector, ZoomCropper(90, SHAKY)) == (1.0, Reason.LEARNED_SCORE)
    assert [len(batch) for batch in engine.fed] == [1]
