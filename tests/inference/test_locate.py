from pathlib import Path

import pytest

from guard.core.errors import EnvironmentProblem, ModelError
from guard.inference import locate
from tests.support.models import write_engine

pytestmark = pytest.mark.unit


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package folder in place of the installed one."""
    folder = tmp_path / "site" / "guard"
    folder.mkdir(parents=True)
    monkeypatch.setattr(locate, "PACKAGE", folder)
    return folder


def test_explicit_folder_comes_before_the_package(tmp_path: Path, package: Path) -> None:
    inside = write_engine(package / "_engines", "inside")
    write_engine(package / "_engines", "both")
    own = {name: write_engine(tmp_path / "own", name) for name in ("both", "mine")}
    assert locate.find_engine("mine", tmp_path / "own") == own["mine"]
    assert locate.find_engine("both", tmp_path / "own") == own["both"]
    assert locate.find_engine("inside", tmp_path / "own") == inside
    assert list(locate.engine_folders(tmp_path / "own")) == list(own.values())
    with pytest.raises(ModelError, match="found there: both, inside, mine"):
        locate.find_engine("gone", tmp_path / "own")


def test_the_users_engines_come_last(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    users = locate.user_root()
    assert users == tmp_path / "data" / "call-guard" / "engines"
    shipped = write_engine(package / "_engines", "a")
    write_engine(users, "a")
    fetched = write_engine(users, "fetched")
    assert list(locate.engine_folders()) == [shipped, fetched]
    assert list(locate.engine_folders(tmp_path / "own")) == []
    assert locate.find_engine("a", tmp_path / "own") == shipped
    assert locate.find_engine("fetched", tmp_path / "own") == fetched


@pytest.mark.parametrize("given", ["", "relative/folder"])
def test_without_an_absolute_data_folder_the_home_folder_holds_it(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate.user_root() == tmp_path / ".local" / "share" / "call-guard" / "engines"


def test_a_user_without_a_home_has_the_packages_engines(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setenv("XDG_DATA_HOME", "")
    monkeypatch.setattr(Path, "home", homeless)
    assert list(locate.engine_folders()) == []
    with pytest.raises(EnvironmentProblem, match="set HOME or XDG_DATA_HOME"):
        locate.user_root()
    assert locate.engine_roots() == (package / "_engines", package.parent / "engines")


def test_wheel_comes_before_the_editable_tree(package: Path) -> None:
    in_wheel = write_engine(package / "_engines", "a")
    write_engine(package.parent / "engines", "a")
    beside = write_engine(package.parent / "engines", "b")
    assert locate.find_engine("a") == in_wheel
    assert locate.find_engine("b") == beside
    assert [folder.name for folder in locate.engine_folders()] == ["a", "b"]


def test_error_names_every_place(package: Path) -> None:
    with pytest.raises(ModelError) as caught:
        locate.find_engine("gone")
    assert str(package / "_engines") in str(caught.value)
    assert str(package.parent / "engines") in str(caught.value)
    assert "found there: none" in str(caught.value)


def test_a_name_is_never_a_path(tmp_path: Path, package: Path) -> None:
    write_engine(tmp_path, "outside")
    (package / "_engines").mkdir()
    with pytest.raises(ModelError):
        locate.find_engine("../../../outside")
