"""What a team's own manifest must hold."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from guard.cli.train.material import Least, read_material
from guard.core.errors import ConfigError, EnvironmentProblem
from guard.simulate.training.split import is_held_out

pytestmark = pytest.mark.unit

PERSONS = [f"p{number}" for number in range(30)]
KEPT = [person for person in PERSONS if is_held_out(person)]
LEARNED = [person for person in PERSONS if not is_held_out(person)]


DOT = cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes()


def write(root: Path, rows: Sequence[tuple[str, ...]], columns: str = "path\tlabel\tgroup") -> Path:
    for row in rows:
        (root / row[0]).write_bytes(DOT)
    lines = [columns, *("\t".join(row) for row in rows)]
    (root / "MANIFEST.tsv").write_text("\n".join(lines) + "\n")
    return root


def test_pictures_clips_and_persons_are_counted_by_class(tmp_path: Path):
    rows = [
        ("a.jpg", "bona_fide", "x"),
        ("b.PNG", "live", "y"),
        ("c.mp4", "real", "y"),
        ("d.jpg", "attack", "z"),
        ("e.WebM", "spoof", "z"),
        ("f.jpg", "fake", "x"),
    ]
    material = read_material(write(tmp_path, rows), "presentation")
    assert dict(material.pictures) == {"bona_fide": 2, "attack": 2}
    assert dict(material.clips) == {"bona_fide": 1, "attack": 1}
    assert material.persons == {"bona_fide": {"x", "y"}, "attack": {"x", "z"}, "clips": {"y"}}
    assert str(material) == (
        "2 pictures and 1 clips bona_fide, 2 pictures and 1 clips attack (taken for presentation), "
        "2 persons, 0 of them kept to judge by"
    )


def test_enough_is_enough(tmp_path: Path):
    assert KEPT
    rows = [(f"{person}.jpg", "bona_fide", person) for person in PERSONS]
    rows += [(f"{person}.mp4", "bona_fide", person) for person in (KEPT[0], LEARNED[0])]
    rows += [(f"{person}-a.jpg", "attack", person) for person in (KEPT[0], LEARNED[0])]
    least = Least(pictures=50, attacks=2, learned=20, held_out=2)
    read_material(write(tmp_path, rows), "presentation").require(least)


def test_all_that_is_short_is_told_at_once(tmp_path: Path):
    rows = [("a.jpg", "bona_fide", LEARNED[0]), ("b.jpg", "attack", LEARNED[0])]
    material = read_material(write(tmp_path, rows), "presentation")
    with pytest.raises(ConfigError) as caught:
        material.require(Least())
    for words in (
        "200 bona fide pictures (a clip counts as ten), got 1",
        "50 pictures of attacks, or none (same), got 1",
        "8 persons to learn from, got 1",
        "2 persons kept to judge by, got 0",
        "1 persons in bona fide clips to learn from, got 0",
        "1 attacked persons kept to judge by, got 0",
        "say who is kept to judge by in a column `held_out`: yes or no",
    ):
        assert words in str(caught.value)


def test_attacks_may_be_left_out_altogether(tmp_path: Path):
    rows = [(f"{person}.jpg", "bona_fide", person) for person in PERSONS]
    rows += [(f"{person}.mp4", "bona_fide", person) for person in (KEPT[0], LEARNED[0])]
    read_material(write(tmp_path, rows), "presentation").require(
        Least(pictures=50, attacks=2, learned=20, held_out=2)
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("a.jpg", "genuine", "x"), "line 2: expected a label of attack, bona_fide, fake, live, real, spoof"),
        (("a.jpg", "attack", ""), "line 2: expected who it is under `group`, got nothing"),
        (("a.jpg", "attack"), "line 2: expected who it is under `group`, got nothing"),
    ],
)
def test_a_faulty_row_is_named(tmp_path: Path, row: tuple[str, ...], told: str):
    with pytest.raises(ConfigError) as caught:
        read_material(write(tmp_path, [row]), "presentation")
    assert told in str(caught.value)


def test_missing_files_are_named_and_counted(tmp_path: Path):
    write(tmp_path, [(f"{number}.jpg", "attack", "x") for number in range(5)])
    for number in range(5):
        (tmp_path / f"{number}.jpg").unlink()
    with pytest.raises(ConfigError, match=r"line 2: expected a file, got '0\.jpg'; .*; and 2 more"):
        read_material(tmp_path, "presentation")


def test_missing_columns_are_named(tmp_path: Path):
    write(tmp_path, [], "path\tlabel")
    with pytest.raises(ConfigError, match=r"expected the columns path, label, group.* got no group"):
        read_material(tmp_path, "presentation")


def test_a_name_that_no_file_can_have_is_a_missing_file(tmp_path: Path):
    name = "a" * 5000
    (tmp_path / "MANIFEST.tsv").write_text(f"path\tlabel\tgroup\n{name}\tattack\tx\n")
    with pytest.raises(ConfigError, match="line 2: expected a file, got 'aaa"):
        read_material(tmp_path, "presentation")


def test_a_manifest_that_cannot_be_read_is_told(tmp_path: Path):
    with pytest.raises(EnvironmentProblem, match="expected a table of pictures and clips"):
        read_material(tmp_path, "presentation")


def test_columns_that_are_not_ours_do_no_harm(tmp_path: Path):
    columns = "path\tlabel\tgroup\tattack\tnote"
    material = read_material(
        write(tmp_path, [("a.jpg", "attack", "x", "print", "in the sun")], columns), "presentation"
    )
    assert material.pictures["attack"] == 1


def test_what_is_no_picture_is_told_with_its_line(tmp_path: Path):
    write(tmp_path, [("a.jpg", "attack", "x"), ("notes.txt", "attack", "x")])
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ConfigError, match=r"line 3: expected a picture or a clip, got 'notes\.txt'"):
        read_material(tmp_path, "presentation")


@pytest.mark.parametrize("path", ["../secret.jpg", "a/../../secret.jpg", "/etc/passwd"])
def test_a_path_outside_the_folder_is_refused(tmp_path: Path, path: str):
    (tmp_path / "MANIFEST.tsv").write_text(f"path\tlabel\tgroup\n{path}\tattack\tx\n")
    with pytest.raises(ConfigError, match="line 2: expected a path below the folder"):
        read_material(tmp_path, "presentation")


FEW = "path\tlabel\tgroup\theld_out\tfamily"


def test_a_small_set_says_itself_who_is_kept(tmp_path: Path):
    rows = [(f"{person}.mp4", "bona_fide", person, "") for person in LEARNED[:4]]
    least = Least(pictures=40, learned=3, held_out=1)
    with pytest.raises(ConfigError, match="1 persons in bona fide clips kept to judge by, got 0"):
        read_material(write(tmp_path, rows, FEW), "presentation").require(least)
    told = [(*row[:3], "no") for row in rows[:2]] + [(*rows[2][:3], "yes"), rows[3]]
    material = read_material(write(tmp_path, told, FEW), "presentation")
    material.require(least)
    assert material.held_out == {LEARNED[2]}
    assert str(material).endswith("4 persons, 1 of them kept to judge by")


def test_attacks_of_another_family_are_left_out(tmp_path: Path):
    rows = [
        ("a.jpg", "live", "x", "yes", ""),
        ("b.jpg", "attack", "x", "", "manipulation"),
        ("c.jpg", "attack", "x", "", "presentation"),
        ("d.jpg", "attack", "x", "", ""),
        ("e.jpg", "live", "x", "", "manipulation"),
    ]
    material = read_material(write(tmp_path, rows, FEW), "presentation")
    assert (material.pictures["bona_fide"], material.pictures["attack"], material.left_out) == (2, 2, 1)
    assert "1 attacks of another family left out" in str(material)
    assert [row.path for row in material.rows] == ["a.jpg", "c.jpg", "d.jpg", "e.jpg"]


def test_the_digest_is_of_what_is_learned_from(tmp_path: Path):
    rows = [("a.jpg", "live", "x", "", ""), ("b.jpg", "attack", "x", "", "manipulation")]
    changed = [
        [(*rows[0][:3], "yes", ""), rows[1]],
        [rows[0], (*rows[1][:4], "")],
        [*rows, ("c.jpg", "live", "y", "", "")],
    ]
    digests = [read_material(write(tmp_path, now, FEW), "manipulation").digest for now in (rows, *changed)]
    assert len(set(digests)) == 4
    assert read_material(write(tmp_path, rows, FEW), "manipulation").digest == digests[0]
