from pathlib import Path

import pytest

from guard.core.types import LEARNED, SECOND, Cue
from guard.detectors.registry import TASK_OF, WEIGHT_FREE, build_detectors
from guard.inference.manifest import read_manifest
from guard.inference.open import LoadedEngine
from tests.support.models import MeanEngine, write_engine

pytestmark = pytest.mark.unit


@pytest.fixture
def manipulation(tmp_path: Path) -> LoadedEngine:
    return LoadedEngine(read_manifest(write_engine(tmp_path)), MeanEngine())


def test_every_cue_has_its_place() -> None:
    assert set(TASK_OF) == LEARNED | SECOND
    assert set(TASK_OF) | set(WEIGHT_FREE) == set(Cue)
    assert all(build().cue is cue for cue, build in WEIGHT_FREE.items())


def test_builds_a_fresh_set_for_each_face_track(manipulation: LoadedEngine) -> None:
    networks = [(Cue.FACE_MANIPULATION, manipulation)]
    first, second = build_detectors(networks), build_detectors(networks)
    assert [detector.cue for detector in first] == [Cue.FACE_MANIPULATION, Cue.BLINK, Cue.MOTION]
    assert not set(map(id, first)) & set(map(id, second))
