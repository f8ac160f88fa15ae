"""The engines that the settings name, and the cues that they speak in."""

from pathlib import Path

import pytest

from guard.config.settings import AnalysisSettings
from guard.core.errors import ConfigError, ModelError
from guard.core.types import Cue
from guard.detectors.registry import build_detectors
from guard.session.networks import engine_names, open_networks
from tests.support.models import write_engine

pytestmark = pytest.mark.model


def settings(root: Path, *second: str) -> AnalysisSettings:
    return AnalysisSettings(
        engines_dir=root, manipulation_engine="m", presentation_engine="p", second_opinions=second
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, task in (("m", "manipulation"), ("p", "presentation"), ("p2", "presentation")):
        write_engine(tmp_path, name, task)
    write_engine(tmp_path, "p3", "presentation")
    write_engine(tmp_path, "m2", "manipulation")
    return tmp_path


def test_further_engines_speak_in_the_second_cue_of_their_task(root: Path):
    networks = open_networks(settings(root, "p2", "m2", "p3"))
    assert [(cue, one.manifest.engine.name) for cue, one in networks] == [
        (Cue.FACE_MANIPULATION, "m"),
        (Cue.FACE_PRESENTATION, "p"),
        (Cue.SECOND_PRESENTATION, "p2"),
        (Cue.SECOND_MANIPULATION, "m2"),
        (Cue.SECOND_PRESENTATION, "p3"),
    ]
    cues = [detector.cue for detector in build_detectors(networks)]
    assert cues == [
        Cue.FACE_MANIPULATION,
        Cue.FACE_PRESENTATION,
        Cue.SECOND_PRESENTATION,
        Cue.SECOND_MANIPULATION,
        Cue.BLINK,
        Cue.MOTION,
    ]


@pytest.mark.parametrize("second", [("p",), ("p2", "p2")])
def test_an_engine_is_no_witness_of_its_own(root: Path, second: tuple[str, ...]):
    with pytest.raises(ConfigError, match="expected each engine once"):
        engine_names(settings(root, *second))


def test_a_second_opinion_that_is_not_there_is_told(root: Path):
    with pytest.raises(ModelError, match="engine 'gone'"):
        open_networks(settings(root, "gone"))


def test_an_engine_for_another_task_is_refused_when_it_is_opened(root: Path):
    wrong = AnalysisSettings(engines_dir=root, manipulation_engine="p2", presentation_engine="p")
    with pytest.raises(ConfigError, match=r"manipulation_engine.*got 'p2', which judges presentation"):
        open_networks(wrong)


@pytest.mark.parametrize("name", ["nowhere", "m/engine.toml", "m" * 5000])
def test_a_folder_of_engines_that_is_none_is_told(root: Path, name: str):
    with pytest.raises(
        ConfigError, match=r"analysis\.engines_dir: expected a folder of engines, got '.*mend it"
    ):
        open_networks(settings(root / name))
