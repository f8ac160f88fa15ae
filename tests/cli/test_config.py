"""``guard config``."""

import json
from pathlib import Path

import pytest

from tests.support.command import Command

pytestmark = pytest.mark.unit

KEY = "k" * 48


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "guard.toml"
    path.write_text("[media]\nmax_pixel = 3\n")
    return path


@pytest.mark.parametrize("command", [("config", "check"), ("config", "show"), ("serve", "--dev")])
def test_an_unknown_key_is_told_with_the_nearest_name(guard: Command, path: Path, command: tuple[str, ...]):
    done = guard(*command, "--config", str(path))
    assert done.status == 1
    assert done.error == (
        f"guard: {path}:2: unknown key in [media]: 'max_pixel'; did you mean 'max_pixels'?\n"
    )


def test_a_sound_configuration(guard: Command, path: Path):
    path.write_text("[media]\nmax_pixels = 3\n")
    done = guard("config", "check", "--config", str(path), GUARD__WEB__TOKEN_KEY=KEY)
    assert (done.status, done.out) == (0, "the configuration is sound\n")


def test_a_missing_key_is_told(guard: Command):
    done = guard("config", "check")
    assert done.status == 0
    assert "web.token_key is not set" in done.out


def test_every_setting_is_shown_and_secrets_are_not(guard: Command):
    done = guard("config", "show", GUARD__WEB__TOKEN_KEY=KEY, GUARD__WEB__PORT="1")
    assert done.status == 0
    assert json.loads(done.out)["web"]["port"] == 1
    assert KEY not in done.out


@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GUARD__WEB__TOKEN_KEY", "hunter2"),
        ("GUARD__MQTT__URL", "mqtt://u:hunter2@127.0.0.1:1883"),
        ("GUARD__MQTT__URL", "mqtt://broker.example"),
        ("GUARD__MQTT__URL", "http://127.0.0.1"),
    ],
)
def test_what_serve_refuses_is_refused_here_and_not_repeated(
    guard: Command, command: str, name: str, value: str
):
    done = guard("config", command, **{name: value})
    assert done.status == 1
    assert done.error.startswith("guard: ")
    assert "hunter2" not in done.error + done.out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"GUARD__FACES__MODEL_PATH": "nowhere.task"}, "nowhere.task"),
        ({"GUARD__ANALYSIS__MANIPULATION_ENGINE": "face-manipulaton"}, "engine 'face-manipulaton'"),
        (
            {"GUARD__ANALYSIS__ENGINES_DIR": "nowhere"},
            "engines_dir: expected a folder of engines, got 'nowhere'",
        ),
        ({"GUARD__ANALYSIS__ENGINES_DIR": __file__}, "test_config.py', which is none; mend it"),
        ({"GUARD__ANALYSIS__PRESENTATION_ENGINE": "face-manipulation"}, "got 'face-manipulation' twice"),
        ({"GUARD__WEB__TLS_CERT": "no.pem", "GUARD__WEB__TLS_KEY": "no.key"}, "no.pem"),
    ],
)
def test_a_file_that_is_not_there_is_told(guard: Command, given: dict[str, str], told: str):
    done = guard("config", "check", **given)
    assert done.status == 1
    assert told in done.error
