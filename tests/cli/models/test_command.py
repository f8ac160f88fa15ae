"""``guard models``."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from guard.cli import extras
from guard.cli.models import catalogue, command
from guard.cli.models.catalogue import MINIFASNET
from guard.inference.locate import user_root
from guard.inference.manifest import read_manifest
from guard.inference.open import open_engine
from tests.support.command import Command
from tests.support.models import write_engine
from tests.support.weights import SMALL, small_minifasnet, torch_file

pytestmark = pytest.mark.model

NAMES = ["minifasnet-v2", "minifasnet-v1se"]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small nets in place of those published, and the offer that names them; an empty home."""
    folder = tmp_path / "published"
    folder.mkdir()
    parts = []
    for number, part in enumerate(MINIFASNET.parts):
        content = torch_file(small_minifasnet(number, weighing=number == 1))
        (folder / part.file).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        parts.append(replace(part, sha256=digest, expected=SMALL[number]))
    offer = replace(MINIFASNET, parts=tuple(parts))
    monkeypatch.setattr(catalogue, "CATALOGUE", {offer.name: offer})
    monkeypatch.setattr(command, "CATALOGUE", {offer.name: offer})
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return folder


def test_fetched_engines_are_whole_listed_checked_and_opened(guard: Command, published: Path):
    done = guard("models", "fetch", "minifasnet", "--from", str(published))
    assert done.status == 0, done.error
    assert "Apache-2.0; trained on private data of Minivision" in done.error
    assert 'second_opinions = ["minifasnet-v2", "minifasnet-v1se"]' in done.error
    assert [line.split(":")[0] for line in done.out.splitlines()] == NAMES
    for name, scale in zip(NAMES, (3.24, 4.8), strict=True):
        manifest = read_manifest(user_root() / name)
        assert manifest.engine.task == "presentation"
        assert manifest.crop.scale == pytest.approx(scale)
        assert manifest.crop.border == "shift"
        assert manifest.engine.commercial_use
        assert open_engine(name).manifest == manifest
        assert manifest.engine.sha256 in (user_root() / name / "engine.toml").read_text()
        assert "second opinion" in (user_root() / name / "CARD.md").read_text()
    listed = [json.loads(line) for line in guard("engines", "list", "--json").out.splitlines()]
    assert {one["name"]: one["licence"] for one in listed}["minifasnet-v2"] == "Apache-2.0"
    assert "yours" in guard("engines", "list").out
    checked = [json.loads(line) for line in guard("engines", "check", "--json").out.splitlines()]
    assert {one["engine"]: one["ok"] for one in checked}["minifasnet-v1se"] is True
    assert {path.name for path in user_root().iterdir()} == set(NAMES)


def test_the_list_says_what_is_here(guard: Command, published: Path):
    (before,) = (json.loads(line) for line in guard("models", "list", "--json").out.splitlines())
    assert (before["name"], before["engines"], before["fetched"]) == ("minifasnet", NAMES, False)
    guard("models", "fetch", "minifasnet", "--from", str(published))
    (after,) = (json.loads(line) for line in guard("models", "list", "--json").out.splitlines())
    assert after["fetched"] is True
    assert "Apache-2.0" in guard("models", "list").out


def test_another_folder_and_json(guard: Command, published: Path, tmp_path: Path):
    done = guard(
        "models", "fetch", "minifasnet", "--from", str(published), "--to", str(tmp_path / "to"), "--json"
    )
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["engine"] for row in rows] == NAMES
    assert all(row["max_difference"] < 1e-4 and Path(row["folder"]).is_dir() for row in rows)
    assert {row["source"] for row in rows} == {str(published)}
    assert f'engines_dir = "{tmp_path / "to"}"' in done.error
    assert not user_root().exists()


def test_a_second_fetch_takes_the_place_of_the_first(guard: Command, published: Path):
    for _ in range(2):
        assert guard("models", "fetch", "minifasnet", "--from", str(published)).status == 0
    assert {path.name for path in user_root().iterdir()} == set(NAMES)


def test_an_engine_of_another_origin_is_not_replaced(guard: Command, published: Path):
    folder = write_engine(user_root(), NAMES[1], "presentation")
    before = (folder / "engine.toml").read_text()
    done = guard("models", "fetch", "minifasnet", "--from", str(published))
    assert done.status == 1
    assert f"{folder}: expected nothing, or what an earlier fetch put there" in done.error
    assert (folder / "engine.toml").read_text() == before
    assert [path.name for path in user_root().iterdir()] == NAMES[1:]


def test_a_folder_that_cannot_be_read_is_not_replaced(guard: Command, published: Path):
    (user_root() / NAMES[0]).mkdir(parents=True)
    done = guard("models", "fetch", "minifasnet", "--from", str(published))
    assert "remove or rename it" in done.error
    assert [path.name for path in user_root().iterdir()] == NAMES[:1]


def test_a_net_that_computes_something_else_leaves_nothing(
    guard: Command, published: Path, monkeypatch: pytest.MonkeyPatch
):
    offer = catalogue.CATALOGUE["minifasnet"]
    wrong = replace(offer.parts[1], expected=SMALL[0])
    monkeypatch.setattr(command, "CATALOGUE", {offer.name: replace(offer, parts=(offer.parts[0], wrong))})
    done = guard("models", "fetch", "minifasnet", "--from", str(published))
    assert done.status == 1
    assert "expected outputs within 0.0001" in done.error
    assert not list(user_root().iterdir())


@pytest.mark.parametrize("number", [0, 1])
def test_an_altered_file_leaves_nothing(guard: Command, published: Path, number: int):
    path = published / MINIFASNET.parts[number].file
    path.write_bytes(path.read_bytes() + b"x")
    done = guard("models", "fetch", "minifasnet", "--from", str(published))
    assert done.status == 1
    assert "expected sha256" in done.error
    assert not user_root().exists()


def test_a_file_in_the_folders_place_is_told(guard: Command, published: Path, tmp_path: Path):
    (tmp_path / "to").write_text("")
    done = guard("models", "fetch", "minifasnet", "--from", str(published), "--to", str(tmp_path / "to"))
    assert done.status == 1
    assert "expected a folder that can be written" in done.error


def test_an_unknown_name_is_wrong_use(guard: Command):
    done = guard("models", "fetch", "other")
    assert done.status == 2
    assert "expected one of minifasnet" in done.error


@pytest.mark.parametrize(("clone", "told"), [(True, "[models]"), (False, "'call-guard[models]'")])
def test_what_is_missing_is_named_with_its_command(
    guard: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, clone: bool, told: str
):
    monkeypatch.setattr(extras, "MODULES", {"models": ("no_such_module",)})
    if not clone:
        monkeypatch.setattr(extras, "PACKAGE", tmp_path / "guard")
    done = guard("models", "fetch", "minifasnet")
    assert done.status == 1
    assert "expected no_such_module to convert weights, got none; install: " in done.error
    assert told in done.error
