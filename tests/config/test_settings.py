"""What settings mean together, section by section."""

from pathlib import Path

import pytest

from guard.config.load import load
from guard.core.errors import ConfigError

pytestmark = pytest.mark.unit

TURN = "servers = ['turn:turn.example.org:3478?transport=udp']"


def ice(tmp_path: Path, text: str, **secrets: str) -> Path:
    path = tmp_path / "guard.toml"
    path.write_text(f"[ice]\n{text}\n")
    load(path, {f"GUARD__ICE__{name.upper()}": value for name, value in secrets.items()})
    return path


@pytest.mark.parametrize(
    "text",
    [
        "public_address = '203.0.113.5'",
        "public_address = '2001:db8::5'",
        "host_addresses = ['10.0.0.5', '::1']",
        "servers = ['stun:stun.example.org', 'stuns:[2001:db8::1]:5349']",
        "port_min = 50000\nport_max = 50100",
    ],
)
def test_sound_ice_settings_are_taken(tmp_path: Path, text: str):
    ice(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "public_address = 'guard.example.org'",
            "expected an IP address without a zone, not 0.0.0.0 or ::, got",
        ),
        ("public_address = '0.0.0.0'", "expected an IP address"),
        ("host_addresses = ['10.0.0.5', 'eth0']", r"ice\.host_addresses: expected an IP address"),
        ("host_addresses = ['fe80::1%eth0']", "without a zone"),
        ("servers = ['turn.example.org']", r"ice\.servers: expected stun:host:port or turn:host:port"),
        ("servers = ['http://turn.example.org']", "expected stun:host:port"),
        ("servers = ['stun:stun.example.org?transport=udp']", "expected stun:host:port"),
        ("servers = ['turn:turn.example.org?transport=sctp']", "expected stun:host:port"),
        ("servers = ['turn:a b']", "expected stun:host:port"),
        (TURN, "ice: expected turn_secret, or username and credential, for the TURN servers in servers"),
        (f"{TURN}\nusername = 'guard'", "expected turn_secret, or username and credential"),
        ("username = 'wärter'", "expected username and credential in printable ASCII"),
        ('username = "a\\nb"', "expected username and credential in printable ASCII"),
    ],
)
def test_unsound_ice_settings_are_told(tmp_path: Path, text: str, told: str):
    with pytest.raises(ConfigError, match=told):
        ice(tmp_path, text)


def test_turn_credentials_are_given_in_one_way(tmp_path: Path):
    for text, more in (("username = 'guard'", {}), ("", {"credential": "pass"})):
        with pytest.raises(ConfigError, match="expected turn_secret, or username and credential, got both"):
            ice(tmp_path, f"{TURN}\n{text}", turn_secret="north", **more)  # noqa: S106 -- of nobody


def test_turn_servers_need_a_secret_or_a_password(tmp_path: Path):
    ice(tmp_path, TURN, turn_secret="north")  # noqa: S106 -- of nobody
    ice(tmp_path, f"{TURN}\nusername = 'guard'", credential="pass")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("min_bitrate = 5000000", "expected min_bitrate up to max_bitrate, got 5000000 and 4000000"),
        ("packets_per_s = 99", "media.packets_per_s"),
        ("bytes_per_s = 49999", "media.bytes_per_s"),
    ],
)
def test_limits_under_which_no_call_works_are_told(tmp_path: Path, text: str, told: str):
    path = tmp_path / "guard.toml"
    path.write_text(f"[media]\n{text}\n")
    with pytest.raises(ConfigError, match=told):
        load(path, {})
