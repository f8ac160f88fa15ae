"""What each engine says of a face is noted, and changes nothing."""

from functools import partial
from pathlib import Path

import pytest

from guard.config import Settings
from guard.config.settings import AnalysisSettings
from guard.core.types import Cue, Reason, Score
from guard.detectors.registry import build_detectors
from guard.session.networks import open_networks
from guard.session.offline import Analyser
from guard.session.opinions import Opinion
from tests.support.clips import write_clip
from tests.support.findings import PROVENANCE
from tests.support.models import write_engine
from tests.support.scripted import ScriptedFaces

pytestmark = pytest.mark.model


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of the second opinions on presentation, one is sure of an attack and one is not."""
    for name, task, bias in (
        ("m", "manipulation", "0.5"),
        ("p", "presentation", "0.5"),
        ("sure", "presentation", "9.0"),
        ("third", "manipulation", "0.5"),
        ("unsure", "presentation", "4.0"),
    ):
        manifest = write_engine(tmp_path, name, task) / "engine.toml"
        manifest.write_text(manifest.read_text().replace("bias = 0.5", f"bias = {bias}"))
    return Settings(
        analysis=AnalysisSettings(
            engines_dir=tmp_path,
            manipulation_engine="m",
            presentation_engine="p",
            second_opinions=("sure", "third", "unsure"),
        )
    )


def test_each_engine_is_heard_where_several_are_asked_and_the_findings_stay_the_same(
    tmp_path: Path, settings: Settings
):
    networks = open_networks(settings.analysis)
    plain = Analyser(Settings(), ScriptedFaces, lambda _: build_detectors(networks), PROVENANCE)
    asked = Analyser(settings, ScriptedFaces, partial(build_detectors, networks), PROVENANCE)
    clips = [write_clip(tmp_path / f"{n}.mkv", n, (64, 48), fps=8) for n in (40, 24)]
    for clip, count in zip(clips, (40, 24), strict=True):
        finding = asked.analyse(clip)
        (before,), (fields,) = (
            one["participants"] for one in (plain.analyse(clip).as_fields(), finding.as_fields())
        )
        said = fields.pop("opinions")
        assert fields == before
        assert [(one["engine"], one["family"], one["second"], one["probability"]) for one in said] == [
            ("m", "manipulation", False, 0.029),
            ("p", "presentation", False, 0.029),
            ("sure", "presentation", True, 0.993),
            ("third", "manipulation", True, 0.029),
            ("unsure", "presentation", True, 0.5),
        ]
        assert {(one["judged"], one["abstained"]) for one in said} == {(count, 0)}
        assert said[2]["timeline"][1] == [fields["timeline"][1][0], 0.993, 1.0]


def test_an_engine_that_abstains_says_nothing():
    opinion = Opinion("m", Cue.FACE_MANIPULATION)
    opinion.scores.append((0.0, Score(Cue.FACE_MANIPULATION, 0.5, 0.0, Reason.BLURRED)))
    assert opinion.as_fields() == {
        "engine": "m",
        "family": "manipulation",
        "second": False,
        "probability": None,
        "judged": 0,
        "abstained": 1,
        "timeline": [],
    }


def test_the_mean_is_told_each_by_its_weight():
    opinion = Opinion("m", Cue.SECOND_MANIPULATION)
    for at, value, weight in ((0.0, 1.0, 0.25), (0.125, 0.2, 0.75), (0.25, 0.9, 0.0)):
        opinion.scores.append((at, Score(opinion.cue, value, weight, Reason.LEARNED_SCORE)))
    assert opinion.probability == pytest.approx(0.4)
    assert opinion.second
