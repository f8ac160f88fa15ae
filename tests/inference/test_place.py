"""Engines are put in place whole, all or none."""

from pathlib import Path

import pytest

from guard.core.errors import EnvironmentProblem, ModelError
from guard.inference.place import drafted, put

pytestmark = pytest.mark.unit


def engine(root: Path, name: str, content: str = "new") -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "engine.toml").write_text(content)
    return folder


def contents(root: Path) -> dict[str, str]:
    return {path.name: (path / "engine.toml").read_text() for path in root.iterdir()}


def test_engines_go_to_their_place_and_the_draft_goes(tmp_path: Path):
    root = tmp_path / "engines"
    engine(root, "b", "old")
    with drafted(root, "--to") as draft:
        placed = put([engine(draft, "a"), engine(draft, "b")], root)
    assert placed == [root / "a", root / "b"]
    assert contents(root) == {"a": "new", "b": "new"}


def test_where_one_cannot_be_moved_everything_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = tmp_path / "engines"
    engine(root, "a", "old")
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if target == root / "b":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), drafted(root, "--to") as draft:
        put([engine(draft, "a"), engine(draft, "b")], root)
    assert contents(root) == {"a": "old"}


def test_a_folder_that_cannot_be_written_is_told_with_the_option(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(
            EnvironmentProblem, match=r"a folder that can be written, got: .*; name another with --out"
        ),
        drafted(tmp_path / "file", "--out"),
    ):
        pass


def test_what_goes_wrong_inside_stays_what_it_is_and_leaves_nothing(tmp_path: Path):
    def make() -> None:
        with drafted(tmp_path, "--to") as draft:
            engine(draft, "a")
            raise ModelError("altered")

    with pytest.raises(ModelError, match="altered"):
        make()
    assert not list(tmp_path.iterdir())
