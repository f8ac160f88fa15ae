"""MANIFEST.tsv, as people's programs write it."""

from dataclasses import replace

import pytest

from guard.core.errors import ConfigError
from guard.core.types import Family
from guard.simulate.training.listing import Row, read_rows
from guard.simulate.training.split import HELD_OUT_CLIPS, is_held_out

pytestmark = pytest.mark.unit

PLAIN = Row(2, "a.jpg", attack=False, group="x", held_out=False)
HEAD = b"path\tlabel\tgroup\n"
PLACED = b"path\tlabel\tgroup\theld_out\tfamily\n"


def test_rows_have_a_class_a_person_and_what_else_is_known():
    table = (
        "path\tlabel\tattack\tgroup\tsource\tnote\n"
        "a.jpg\tfake\tprint\tx\there\tin the sun\nb.MOV\tlive\t\ty\t\t\n"
    )
    rows = read_rows(table.encode(), "list")
    assert rows == [
        replace(PLAIN, attack=True, species="print", source="here", note="in the sun"),
        replace(PLAIN, line=3, path="b.MOV", group="y"),
    ]
    assert [row.is_clip for row in rows] == [False, True]


@pytest.mark.parametrize(
    "table", [b"path\tlabel\na.jpg\tlive\n", HEAD + b"a.jpg\tlive\t\n", HEAD + b"a.jpg\tlive\n"]
)
def test_who_is_not_named_is_a_group_of_its_own(table: bytes):
    assert [row.group for row in read_rows(table, "list")] == ["a.jpg"]


def test_a_byte_order_mark_and_line_ends_of_windows_do_no_harm():
    content = b"\xef\xbb\xbf" + (HEAD + b"a.jpg\tlive\tx\n").replace(b"\n", b"\r\n")
    assert read_rows(content, "list") == [PLAIN]


def test_a_quote_is_a_letter_and_swallows_no_lines():
    rows = read_rows(HEAD + b'"a.jpg\tlive\tx\nb.jpg\tlive\t"y"\n', "list")
    assert [(row.path, row.group) for row in rows] == [('"a.jpg', "x"), ("b.jpg", '"y"')]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b"\xff\xfep\x00a\x00",
            "expected a table in UTF-8 with tabs between its columns, got: 'utf-8' codec",
        ),
        (HEAD + b"a" * 200_000, "expected a table in UTF-8 .* got: field larger than field limit"),
        (b"", "expected the columns path, label, group, .*got no path, label, group"),
        (b"path,label,group\na,live,x\n", "got no path, label, group"),
        (HEAD + b"a.jpg\tgenuine\tx\n", "line 2: expected a label of attack, .*, got 'genuine'"),
        (HEAD + b"a.jpg\tlive\n", "line 2: expected who it is under `group`, got nothing"),
        (HEAD + b"\n\tlive\tx\n", "line 3: expected a file, got ''"),
        (HEAD + b"a\tb\tc\n" * 5, "line 4: expected a label of [^;]*; and 2 more"),
        (PLACED + b"a.jpg\tlive\tx\tmaybe\t\n", "line 2: expected yes or no or nothing under `held_out`"),
        (PLACED + b"a.jpg\tlive\tx\t\tvoice\n", "presentation or manipulation or nothing under `family`"),
        (
            PLACED + b"a.jpg\tlive\tx\tyes\t\nb.jpg\tlive\tx\tno\t\n",
            "line 3: expected all of a group held out or none, got both for 'x'",
        ),
    ],
    ids=[
        "UTF-16",
        "endless",
        "empty",
        "commas",
        "label",
        "cut short",
        "no path",
        "many",
        "side",
        "family",
        "both sides",
    ],
)
def test_anything_else_is_told(content: bytes, told: str):
    with pytest.raises(ConfigError, match=f"^list: .*{told}"):
        read_rows(content, "list", grouped=True)


def test_one_row_says_it_of_its_whole_group_and_else_the_hash_does():
    clip = min(HELD_OUT_CLIPS).encode()
    table = PLACED + b"a.jpg\tlive\tx\t\t\nb.jpg\tlive\tx\tyes\t\nc.mp4\tlive\t" + clip + b"\tno\t\n"
    table += b"".join(b"%d.jpg\tlive\tperson %d\t\t\n" % (number, number) for number in range(20))
    rows = read_rows(table, "list")
    assert [row.held_out for row in rows[:3]] == [True, True, False]
    assert [row.held_out for row in rows[3:]] == [is_held_out(row.group) for row in rows[3:]]
    assert len({row.held_out for row in rows[3:]}) == 2


def test_only_attacks_are_of_a_family_and_for_its_task_alone():
    table = PLACED + b"a.jpg\tfake\tx\t\tmanipulation\nb.jpg\tlive\tx\t\tmanipulation\nc.jpg\tfake\tx\t\t\n"
    rows = read_rows(table, "list")
    assert [row.family for row in rows] == [Family.MANIPULATION, None, None]
    assert [row.is_for("presentation") for row in rows] == [False, True, True]
    assert all(row.is_for("manipulation") for row in rows)


@pytest.mark.parametrize("cells", [b"maybe\t", b"\tinjection"])
def test_what_these_columns_cannot_say_is_told_of_any_table(cells: bytes):
    with pytest.raises(ConfigError, match=r"^list: line 2: expected .* or nothing under "):
        read_rows(PLACED + b"a.jpg\tfake\t\t" + cells + b"\n", "list")
