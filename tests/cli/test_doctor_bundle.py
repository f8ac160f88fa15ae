"""What never stands in the support file of ``guard doctor``, and what does."""

import json
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from guard.cli.doctor.bundle import Scrubber, report, write_bundle
from guard.cli.doctor.check import Check, Level
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
    assert scrubber.tree({"ada": ["ada.local", "adapter", 3, None]}) == {
        "ada": ["HOST.local", "adapter", 3, None]
    }


def test_a_report_is_good_where_nothing_failed():
    warned = Check("x", "y", Level.WARNING, "z")
    assert report([warned])["ok"] is True
    assert report([warned, Check("x", "y", Level.FAILED, "z")])["ok"] is False
