"""Manifests that recipes read: the project's own form, and a team's."""

import importlib
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from guard.core.errors import ConfigError, MediaError

pytestmark = pytest.mark.model

ENGINES = Path(__file__).parents[2] / "engines"


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ENGINES))
    return importlib.import_module("_shared.corpus")


def manifest(root: Path, *rows: tuple[str, ...], columns: str = "path\tlabel\tgroup") -> Path:
    (root / "MANIFEST.tsv").write_text("\n".join([columns, *("\t".join(row) for row in rows)]) + "\n")
    return root


def write_clip(path: Path, frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), index * 10, np.uint8))
    writer.release()


def test_folders_of_the_project_are_read_as_they_are(corpus: ModuleType, tmp_path: Path):
    rows = [
        ("faces/ffhq_stylegan/a.jpg", "bona_fide", "", "x", ""),
        ("faces/dfdc_crops/attack/b.jpg", "attack", "swap", "y", ""),
    ]
    root = manifest(tmp_path, *rows, columns="path\tlabel\tattack\tgroup\tnote")
    (item,) = corpus.read_manifest(root, "faces/dfdc_crops/attack")
    assert item == corpus.Item(root / rows[1][0], attack=True, species="swap", group="y", held_out=False)
    with pytest.raises(MediaError, match="no row under calls/bona_fide"):
        corpus.read_manifest(root, "calls/bona_fide")


def test_a_teams_rows_play_the_roles_of_the_folders(corpus: ModuleType, tmp_path: Path):
    write_clip(tmp_path / "call.avi", 20)
    write_clip(tmp_path / "swap.avi", 4)
    root = manifest(
        tmp_path,
        ("a.jpg", "live", "x"),
        ("b.jpg", "spoof", "x"),
        ("call.avi", "bona_fide", "y"),
        ("swap.avi", "fake", "z"),
    )

    def read(folder: str) -> list[tuple[str, bool]]:
        return [(item.path.name, item.attack) for item in corpus.read_manifest(root, folder)]

    frames = [(f"call.avi#frame={number}", False) for number in range(0, 20, 2)]
    attacks = [(f"swap.avi#frame={number}", True) for number in range(4)]
    assert read("calls/bona_fide") == [("call.avi", False)]
    assert read("faces/dfdc_crops/bona_fide") == [("a.jpg", False), *frames]
    assert read("faces/ffhq_stylegan") == [("a.jpg", False), *frames]
    assert read("faces/dfdc_crops/attack") == [("b.jpg", True), *attacks]
    assert read("presentation/stock_video_replay") == [("a.jpg", False), ("b.jpg", True), *frames, *attacks]


def test_what_a_row_says_of_its_side_and_family_is_heeded(corpus: ModuleType, tmp_path: Path):
    root = manifest(
        tmp_path,
        ("a.jpg", "live", "x", "yes", ""),
        ("b.jpg", "fake", "x", "", "manipulation"),
        ("c.jpg", "fake", "y", "no", "presentation"),
        columns="path\tlabel\tgroup\theld_out\tfamily",
    )

    def read(task: str) -> list[tuple[str, bool]]:
        items = corpus.read_manifest(root, "presentation/stock_video_replay", task)
        return [(item.path.name, item.held_out) for item in items]

    assert read("presentation") == [("a.jpg", True), ("c.jpg", False)]
    assert read("manipulation") == [("a.jpg", True), ("b.jpg", True)]
    assert [item.path.name for item in corpus.read_manifest(root, "")] == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_label_that_nobody_knows_is_no_bona_fide(corpus: ModuleType, tmp_path: Path):
    root = manifest(tmp_path, ("a.jpg", "Attack", "x"))
    with pytest.raises(ConfigError, match="line 2: expected a label of attack"):
        corpus.read_manifest(root, "faces/ffhq_stylegan")


def test_a_frame_of_a_clip_is_read_as_a_picture(corpus: ModuleType, tmp_path: Path):
    write_clip(tmp_path / "call.avi", 20)
    root = manifest(tmp_path, ("call.avi", "bona_fide", "y"))
    items = corpus.read_manifest(root, "faces/dfdc_crops/bona_fide")
    means = [corpus.read_picture(item.path).mean() for item in items]
    assert means == pytest.approx([20 * index for index in range(10)], abs=4)
    with pytest.raises(MediaError, match="cannot read"):
        corpus.read_picture(tmp_path / "call.avi#frame=500")


def test_every_folder_that_a_recipe_reads_has_a_role(corpus: ModuleType):
    for recipe in ENGINES.glob("*/recipe.py"):
        text = recipe.read_text()
        folders = [word for word in text.split('"') if word.startswith(("faces/", "presentation/", "calls/"))]
        assert set(folders) <= set(corpus.ROLES), recipe
