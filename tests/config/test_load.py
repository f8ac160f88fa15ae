"""Settings from file and environment: what is taken, and how each mistake is told."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from guard.config import Settings
from guard.config.load import default_toml, load, redacted
from guard.core.errors import ConfigError

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
KEY = "k" * 32

Write: TypeAlias = Callable[[str], Path]
"""Makes a file with this text."""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(text: str) -> Path:
        path = tmp_path / "guard.toml"
        path.write_text(text)
        return path

    return write_text


def test_nothing_given_is_the_defaults():
    assert load(None, {}) == Settings()


def test_environment_goes_before_the_file(write: Write):
    path = write("[web]\nport = 1\nhost = '::1'\n")
    web = load(path, {"GUARD__WEB__PORT": "2", "UNRELATED": "x"}).web
    assert (web.port, web.host) == (2, "::1")


def test_environment_gives_lists_and_switches():
    settings = load(
        None, {"GUARD__ICE__HOST_ADDRESSES": "127.0.0.1, ::1", "guard__mqtt__allow_plain": "true"}
    )
    assert settings.ice.host_addresses == ("127.0.0.1", "::1")
    assert settings.mqtt.allow_plain


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "\n[media]\nmax_pixel = 3",
            r"guard\.toml:3: unknown key in \[media\]: 'max_pixel'; did you mean 'max_pixels'\?",
        ),
        ("[medai]\nrooms = 1", r"guard\.toml:1: unknown section: 'medai'; did you mean 'media'\?"),
        ("[media]\nrooms = -3", r"guard\.toml:2: media\.rooms: expected greater than or equal to 1, got -3"),
        ("[media]\nrooms = 'many'", r"guard\.toml:2: media\.rooms: expected a valid integer.*got 'many'"),
        ("[web]\nport = 70000", r"web\.port: expected less than or equal to 65535, got 70000"),
        (
            "[mqtt]\npassword = 'hush'",
            r"guard\.toml:2: mqtt\.password is a secret.*GUARD__MQTT__PASSWORD_FILE",
        ),
        (
            "[analysis]\nsecond_opinions = 'x'",
            r"analysis\.second_opinions: expected a list, as \[\"one\", \"another\"\], got 'x' \(Names of ",
        ),
        ("[analysis]\nengines_dir = 3", r"analysis\.engines_dir: expected a path, as text in quotes, got 3"),
        ("[web]\nhost = 3", r"web\.host: expected text in quotes, got 3"),
        ("[mqtt]\nallow_plain = 'perhaps'", r"mqtt\.allow_plain: expected true or false, got 'perhaps'"),
        ("[mqtt]\nnode = 'a b'", r"mqtt\.node: expected text to match pattern '.*', got 'a b'"),
        ("web = 1", r"guard\.toml:1: expected a section \[web\], got a single value"),
        ("[web", r"guard\.toml: expected TOML"),
        (
            "[decision]\nraise_at = 0.4\nclear_at = 0.5",
            r"decision: expected clear_at below raise_at, got 0\.5 and 0\.4",
        ),
    ],
)
def test_mistake_in_the_file_is_told_with_its_place(write: Write, text: str, told: str):
    with pytest.raises(ConfigError, match=told):
        load(write(text), {})


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("GUARD__WBE__PORT", "1", r"GUARD__WBE__PORT: unknown section: 'wbe'; did you mean 'web'\?"),
        ("GUARD__WEB__PROT", "1", r"GUARD__WEB__PROT: unknown key in \[web\]: 'prot'; did you mean 'port'\?"),
        ("GUARD__WEB__PORT", "x", r"GUARD__WEB__PORT: web\.port: expected a valid integer.*got 'x'"),
        ("GUARD__WEB__HOST_FILE", "/x", r"unknown key in \[web\]: 'host_file'; did you mean 'host'\?"),
        ("GUARD__WEB", "1", r"unknown key in \[web\]: ''; expected one of: host, port"),
    ],
)
def test_mistake_in_the_environment_names_the_variable(variable: str, value: str, told: str):
    with pytest.raises(ConfigError, match=told):
        load(None, {variable: value})


def test_every_mistake_is_told_at_once(write: Write):
    with pytest.raises(ConfigError) as told:
        load(write("[media]\nrooms = 0\nmax_pixels = 0"), {"GUARD__WEB__PORT": "-1"})
    assert len(str(told.value).splitlines()) == 3


def test_missing_file_is_told(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"absent\.toml: expected a readable file, got: No such file"):
        load(tmp_path / "absent.toml", {})


def test_file_that_is_no_text_is_told(tmp_path: Path):
    path = tmp_path / "guard.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="expected UTF-8, got byte 0"):
        load(path, {})


def test_secret_comes_from_a_file_without_its_line_end(tmp_path: Path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    token_key = load(None, {"GUARD__WEB__TOKEN_KEY_FILE": str(tmp_path / "key")}).web.token_key
    assert token_key is not None
    assert token_key.get_secret_value() == KEY


def test_secret_is_never_shown():
    settings = load(None, {"GUARD__WEB__TOKEN_KEY": KEY})
    assert KEY not in repr(settings)
    assert KEY not in str(redacted(settings))
    assert set(redacted(settings)["web"]["token_key"]) == {"*"}


def test_shipped_file_holds_every_key_at_its_default():
    shipped = ROOT / "configs" / "guard.toml"
    assert shipped.read_text() == default_toml(), "write it anew with guard.config.load.default_toml()"
    assert load(shipped, {}) == Settings()
    for section, keys in redacted(Settings()).items():
        assert f"\n[{section}]\n" in default_toml()
        for key in keys:
            assert f"{key} =" in default_toml() or f"# {key}: GUARD__" in default_toml()
