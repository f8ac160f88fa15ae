"""What never stands in the support file of ``guard doctor``, and what does."""

import json
import os
import re
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from guard.cli.doctor.bundle import Scrubber, changed, report, write_bundle
from guard.cli.doctor.check import Check, Level
from guard.cli.doctor.places import Places
from guard.config import AlertSettings, IceSettings, MqttSettings, Settings, WebSettings
from guard.config.settings import PageSettings

pytestmark = pytest.mark.unit

SECRET = 'k"\\é' + "Xy7" * 12


def secretive(folder: Path) -> Settings:
    """Settings with something to hide in every place."""
    return Settings(
        web=WebSettings(token_key=SecretStr(SECRET)),
        mqtt=MqttSettings(
            url="mqtt://ada:hunt/er2@127.0.0.1", username="ada", password=SecretStr("hunter22")
        ),
        ice=IceSettings(
            servers=("turn:turn.example",), username="turner", credential=SecretStr("t0pcredential")
        ),
        pages=PageSettings(operator="Analytical Engines Ltd", contact="ada@engines.example"),
        alerts=AlertSettings(outbox_path=folder / "outbox"),
    )


HOME, ROOT = "/home" + "/ada", "/root"
HIDDEN_WORDS = (
    SECRET[4:],
    "hunter22",
    "hunt/er2",
    "t0pcredential",
    "turner",
    "Analytical",
    "engines.example",
)


def test_the_support_file_holds_findings_and_no_secrets(tmp_path: Path):
    settings, path = secretive(Path.home() / "calls"), tmp_path / "support.zip"
    checks = [
        Check("x", "leak", Level.FAILED, f"got {SECRET!r}, {SECRET} and hunter22 at {HOME}/x and {ROOT}/y"),
        Check("x", "leak", Level.OK, f"{Path.home()}/z; from-env-1 at mqtts://a:b@c@h"),
    ]
    scrubber = Scrubber.here(settings, {"SOME_API_KEY": "from-env-1", "PATH": "/bin"})
    write_bundle(path, checks, settings, scrubber)
    with zipfile.ZipFile(path) as bundle:
        contents = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert sorted(contents) == ["doctor.json", "machine.json", "packages.json", "settings.json"]
    together = "\n".join(contents.values())
    for word in (*HIDDEN_WORDS, "from-env-1", HOME, f"{ROOT}/", "a:b", str(Path.home())):
        assert word not in together
    assert json.loads(contents["settings.json"])["alerts"]["outbox_path"] == "~/calls/outbox"
    assert json.loads(contents["settings.json"])["web"]["token_key"] == "**********"  # noqa: S105 -- hidden
    assert json.loads(contents["packages.json"])["aiortc"]
    assert json.loads(contents["doctor.json"])["ok"] is False
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(secret=st.text(min_size=4, max_size=40), before=st.text(max_size=10), after=st.text(max_size=10))
def test_a_secret_is_hidden_wherever_it_stands(secret: str, before: str, after: str):
    scrubber = Scrubber([secret], home="", host="")
    hidden = scrubber.text(f"{before}\x00{secret}\x00{after}")
    assert secret not in hidden or set(secret) == {"*"}


def test_the_name_of_the_machine_is_hidden_as_a_word_only():
    scrubber = Scrubber([], home="/nowhere", host="ada")
    assert changed({"ada": ["ada.local", "adapter", "x-ada-1", "Ada!", 3, None]}, scrubber.text) == {
        "ada": ["HOST.local", "adapter", "x-ada-1", "HOST!", 3, None]
    }


@pytest.mark.parametrize("host", ["guard", "mqtt", "numpy", "localhost", ""])
def test_a_machine_named_as_something_of_ours_is_not_hidden(host: str):
    words = "call-guard: run `guard serve`; mqtt.url, numpy and localhost"
    assert Scrubber([], home="/nowhere", host=host).text(words) == words


def test_a_machine_is_hidden_with_its_domain_and_without():
    scrubber = Scrubber([], home="/nowhere", host="edge7.acme.example")
    assert scrubber.text("edge7.acme.example, edge7") == "HOST, HOST"


def elsewhere(folder: Path) -> Settings:
    """Settings that name hosts and addresses of others in every place."""
    return Settings(
        web=WebSettings(
            host="198.51.100.4",
            tls_cert=folder / "live" / "calls.acme-bank.example" / "fullchain.pem",
            tls_key=folder / "privkey.pem",
            trusted_proxies=("203.0.113.0/24",),
        ),
        mqtt=MqttSettings(url="mqtts://mqtt.acme-bank.example:8884"),
        ice=IceSettings(
            servers=("turns:turn.acme-bank.example:5349?transport=tcp", "stun:[2001:db8::9]:3478"),
            public_address="203.0.113.7",
            host_addresses=("10.1.2.3", "127.0.0.1"),
            turn_secret=SecretStr("t0psecret"),
        ),
    )


def test_hosts_and_addresses_of_others_are_hidden_everywhere(tmp_path: Path):
    path = tmp_path / "support.zip"
    checks = [
        Check("network", "MQTT broker", Level.FAILED, "no address for MQTT.acme-bank.example."),
        Check("network", "ICE server stun:[2001:db8::9]:3478", Level.OK, "resolves to 203.0.113.7"),
        Check("network", "web 198.51.100.4:8080", Level.OK, "198.51.100.4: refused by ::1 and 127.0.0.1"),
        Check("software", "opencv-contrib-python", Level.OK, "5.0.0.93"),
    ]
    write_bundle(path, checks, elsewhere(tmp_path), Scrubber([], "", ""))
    with zipfile.ZipFile(path) as bundle:
        contents = {name: json.loads(bundle.read(name)) for name in bundle.namelist()}
    told = json.dumps(contents).lower()
    for word in ("acme", "198.51.100", "203.0.113", "2001:db8", "10.1.2.3"):
        assert word not in told
    settings = json.dumps(contents["settings.json"])
    for pattern in (
        r'"url": "mqtts://HOST-\d:8884"',
        r'\["turns:HOST-\d:5349\?transport=tcp", "stun:\[ADDRESS-\d\]:3478"\]',
        r'"host_addresses": \["ADDRESS-\d", "127\.0\.0\.1"\]',
        r'"trusted_proxies": \["ADDRESS-\d/24"\]',
        r'/live/HOST-\d/fullchain\.pem"',
    ):
        assert re.search(pattern, settings), pattern
    broker = re.search(r"mqtts://(HOST-\d)", settings)
    found = [one["found"] for one in contents["doctor.json"]["checks"]]
    assert broker is not None
    assert found[0] == f"no address for {broker[1]}."
    assert re.fullmatch(r"ADDRESS-\d: refused by ::1 and 127\.0\.0\.1", found[2])
    assert found[3] == "5.0.0.93"
    assert contents["packages.json"]["opencv-contrib-python"].count(".") == 3


@given(
    host=st.from_regex(r"[a-z][a-z0-9-]{2,10}[a-z]\.[a-z]{2,8}", fullmatch=True),
    before=st.sampled_from(" ,;'\"([<"),
    after=st.sampled_from(" ,;'\")]>:."),
)
def test_a_broker_is_hidden_wherever_it_stands(host: str, before: str, after: str):
    shown = Places([host]).text(f"x{before}{host.upper()}{after} mqtts://{host}:1/ {host}")
    assert host not in shown.lower()


@pytest.mark.parametrize(
    "text",
    [
        "12:34:56",
        "::",
        "0.0.0.0:80",
        "[::1]:80",
        "mqtt://localhost",
        "1.2.3",
        "300.1.2.3",
        "a::zz",
        "1.2.3.4.5",
    ],
)
def test_what_is_no_address_of_others_stays(text: str):
    assert Places([]).text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("stun:203.0.113.7:3478", "stun:ADDRESS-1:3478"),
        ("mqtt://ada@198.51.100.9:1883/", "mqtt://ada@ADDRESS-1:1883/"),
        ("turn:Calls.example?transport=udp, calls.example", "turn:HOST-1?transport=udp, calls.example"),
        ("at 2001:DB8::1: refused; ::ffff:8.8.8.8.", "at ADDRESS-1: refused; ADDRESS-2."),
    ],
)
def test_scheme_port_and_what_stands_around_stay(text: str, shown: str):
    assert Places([]).text(text) == shown


@pytest.mark.parametrize("older", ["readable", "link"])
def test_an_older_file_is_replaced_and_no_link_is_followed(tmp_path: Path, older: str):
    path, other = tmp_path / "support.zip", tmp_path / "other"
    other.write_text("kept")
    if older == "link":
        path.symlink_to(other)
    else:
        path.write_text("older")
        path.chmod(0o644)
    write_bundle(path, [], Settings(), Scrubber([], "", ""))
    assert other.read_text() == "kept"
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert zipfile.is_zipfile(path)


def test_what_is_no_file_is_left_alone(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="something else than a file"):
        write_bundle(path, [], Settings(), Scrubber([], "", ""))
    assert path.is_fifo()


def test_a_report_is_good_where_nothing_failed():
    warned = Check("x", "y", Level.WARNING, "z")
    assert report([warned])["ok"] is True
    assert report([warned, Check("x", "y", Level.FAILED, "z")])["ok"] is False
