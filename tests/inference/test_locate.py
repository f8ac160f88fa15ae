from pathlib import Path

import pytest

from guard.core.errors import ModelError
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


def test_explicit_folder_is_the_only_place(tmp_path: Path, package: Path) -> None:
    write_engine(package / "_engines", "inside")
    own = write_engine(tmp_path / "own", "mine")
    assert locate.find_engine("mine", tmp_path / "own") == own
    with pytest.raises(ModelError, match="found there: mine"):
        locate.find_engine("inside", tmp_path / "own")


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
