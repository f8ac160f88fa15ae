"""MANIFEST.tsv, as people's programs write it."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from guard.core.errors import ConfigError
from guard.simulate.training.listing import Row, read_rows, write_rows
from guard.simulate.training.split import is_held_out, placed

pytestmark = pytest.mark.unit

HEAD = b"path\tlabel\tgroup\n"
PLACED = b"path\tlabel\tgroup\theld_out\tfamily\n"


def test_rows_have_a_class_a_person_and_what_else_is_known():
    table = (
        "path\tlabel\tattack\tgroup\tsource\tnote\n"
        "a.jpg\tfake\tprint\tx\there\tin the sun\nb.MOV\tlive\t\ty\t\t\n"
    )
    rows = read_rows(table.encode(), "list")
    assert rows == [
        Row(2, "a.jpg", attack=True, group="x", species="print", source="here", note="in the sun"),
        Row(3, "b.MOV", attack=False, group="y"),
    ]
    assert [row.is_clip for row in rows] == [False, True]


@pytest.mark.parametrize(
    "table", [b"path\tlabel\na.jpg\tlive\n", HEAD + b"a.jpg\tlive\t\n", HEAD + b"a.jpg\tlive\n"]
)
def test_who_is_not_named_is_a_group_of_its_own(table: bytes):
    assert [row.group for row in read_rows(table, "list")] == ["a.jpg"]


def test_a_byte_order_mark_and_line_ends_of_windows_do_no_harm():
    content = b"\xef\xbb\xbf" + (HEAD + b"a.jpg\tlive\tx\n").replace(b"\n", b"\r\n")
    assert read_rows(content, "list") == [Row(2, "a.jpg", attack=False, group="x")]


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


def test_one_row_places_its_whole_group():
    table = PLACED + b"a.jpg\tlive\tx\t\t\nb.jpg\tlive\tx\tyes\t\nc.jpg\tlive\ty\tno\t\nd.jpg\tlive\tz\t\t\n"
    groups = [row.group for row in read_rows(table, "list")]
    assert groups == [placed("x", "yes"), placed("x", "yes"), placed("y", "no"), "z"]
    assert [is_held_out(group) for group in groups[:3]] == [True, True, False]


def test_other_tables_may_use_these_columns_for_something_else():
    (row,) = read_rows(PLACED + b"a.jpg\tfake\tx\tmaybe\tvoice\n", "list")
    assert (row.group, row.family) == ("x", "voice")


def test_rows_are_written_as_they_were_read():
    table = (
        "path\tlabel\tattack\tgroup\tsource\tnote\theld_out\tfamily\n"
        'a.jpg\tfake\tprint\tx\there\t"in" the sun\tyes\tpresentation\nb.MOV\tlive\t\ty\t\t\t\tmanipulation\n'
    )
    rows = read_rows(table.encode(), "list")
    again = read_rows(write_rows(rows, PurePosixPath("/calls")).encode(), "list")
    assert [replace(row, path=f"/calls/{row.path}") for row in rows] == again
    assert [row.family for row in rows] == ["presentation", ""]
