"""The table of pictures: labels, groups, samples, who is held out."""

from collections import Counter
from pathlib import Path

import pytest

from bench.judging.rows import Row, held_out, read_rows, sample
from guard.core.errors import ConfigError, MediaError

pytestmark = pytest.mark.unit


def table(folder: Path, *lines: str) -> Path:
    path = folder / "table.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def people(count: int, each: int, *, species: str = "") -> list[Row]:
    return [
        Row(Path(f"{species}{person}-{number}.jpg"), bool(species), species, f"{species}{person}")
        for person in range(count)
        for number in range(each)
    ]


def test_every_word_for_a_label_is_understood(tmp_path: Path):
    words = ["bona_fide", "real", "live", "attack", "fake", "spoof"]
    path = table(tmp_path, "path\tlabel", *(f"{n}.jpg\t{word}" for n, word in enumerate(words)))
    rows = read_rows(path, tmp_path)
    assert [row.attack for row in rows] == [False, False, False, True, True, True]


def test_without_a_group_each_file_is_its_own_and_an_unnamed_attack_is_one(tmp_path: Path):
    path = table(tmp_path, "path\tlabel", "a.jpg\tlive", "b.jpg\tspoof")
    rows = read_rows(path, tmp_path)
    assert [(row.group, row.species) for row in rows] == [("a.jpg", ""), ("b.jpg", "attack")]


def test_all_columns_are_read_and_a_prefix_chooses(tmp_path: Path):
    path = table(
        tmp_path,
        "path\tlabel\tattack\tgroup\tsource\tnote",
        "x/a.jpg\tattack\tprint\tanna\there\t-",
        "y/b.jpg\tbona_fide\t\tbert\tthere\t-",
    )
    assert read_rows(path, tmp_path, ["x/"]) == [
        Row(tmp_path / "x/a.jpg", attack=True, species="print", group="anna", source="here")
    ]


@pytest.mark.parametrize(
    ("head", "line", "said"),
    [
        ("path\tlabel", "a.jpg\tmaybe", "line 2: .*'maybe'"),
        ("path\tlabel", "a.jpg\tREAL", "line 2: .*'REAL'"),
        ("path\tkind", "a.jpg\tlive", "got no label"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, head: str, line: str, said: str):
    with pytest.raises(ConfigError, match=r"table\.tsv: .*" + said):
        read_rows(table(tmp_path, head, line), tmp_path)


def test_no_table_and_no_rows_are_told(tmp_path: Path):
    with pytest.raises(MediaError, match="check --manifest"):
        read_rows(tmp_path / "gone.tsv", tmp_path)
    with pytest.raises(MediaError, match="check --under"):
        read_rows(table(tmp_path, "path\tlabel", "a.jpg\tlive"), tmp_path, ["b/"])


def test_a_sample_is_fair_to_classes_species_and_people():
    rows = [*people(50, 20), *people(4, 200, species="print"), *people(40, 3, species="screen")]
    chosen = sample(rows, 80, seed=1)
    assert Counter(row.species for row in chosen) == {"": 40, "print": 20, "screen": 20}
    assert len({row.group for row in chosen if not row.attack}) == 40
    assert Counter(Counter(row.group for row in chosen if row.species == "print").values()) == {5: 4}


def test_a_smaller_sample_is_part_of_a_larger_and_another_seed_is_another_sample():
    rows = [*people(30, 4), *people(30, 4, species="swap")]
    assert set(sample(rows, 20, seed=1)) < set(sample(rows, 50, seed=1))
    assert set(sample(rows, 20, seed=1)) != set(sample(rows, 20, seed=2))
    assert sample(rows, 20, seed=1) == sample(rows[::-1], 20, seed=1)


def test_what_one_class_lacks_the_other_fills():
    rows = [*people(2, 1), *people(30, 1, species="swap")]
    assert len(sample(rows, 20, seed=1)) == 20
    assert len(sample(rows, None, seed=1)) == 32


def test_held_out_are_those_of_whom_the_table_says_it_and_else_the_hash(tmp_path: Path):
    lines = ["a.jpg\tlive\tx\tyes", "b.jpg\tlive\tx\t", *(f"{n}.jpg\tlive\tp{n}\t" for n in range(2000))]
    kept = held_out(read_rows(table(tmp_path, "path\tlabel\tgroup\theld_out", *lines), tmp_path))
    assert [row.group for row in kept[:2]] == ["x", "x"]
    assert 0.12 < len(kept) / len(lines) < 0.18
