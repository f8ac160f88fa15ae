"""What a finding rests on."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from guard.config import AnalysisSettings, DecisionSettings, FaceSettings, MqttSettings, Settings, WebSettings
from guard.session.provenance import configuration_sha256, provenance_of
from tests.support.findings import ENGINE

pytestmark = pytest.mark.unit


def test_the_digest_of_the_settings_follows_what_bears_on_a_result():
    plain = configuration_sha256(Settings())
    assert plain == configuration_sha256(Settings())
    bearing = [
        Settings(decision=DecisionSettings(raise_at=0.9)),
        Settings(faces=FaceSettings(min_size_px=50)),
        Settings(analysis=AnalysisSettings(fps=9)),
    ]
    assert len({plain, *map(configuration_sha256, bearing)}) == 4


def test_the_digest_of_the_settings_knows_no_path_no_secret_and_no_address():
    elsewhere = Settings(
        faces=FaceSettings(model_path=Path("elsewhere")),
        analysis=AnalysisSettings(engines_dir=Path("elsewhere"), restarts=9),
        web=WebSettings(token_key=SecretStr("k" * 32), port=9000),
        mqtt=MqttSettings(password=SecretStr("secret")),
    )
    assert configuration_sha256(elsewhere) == configuration_sha256(Settings())


def test_it_names_software_engines_and_thresholds():
    fields = provenance_of(Settings(), (ENGINE,)).as_fields()
    assert {"call-guard", "python", "ffmpeg", "av", "mediapipe", "onnxruntime"} <= set(fields["software"])
    assert fields["engines"][0]["name"] == "face-manipulation"
    assert fields["engines"][0]["data_terms"] == "drawn"
    assert fields["thresholds"]["raise_at"] == 0.85
