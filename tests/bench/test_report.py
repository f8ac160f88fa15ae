"""Tables on a terminal: nothing is cut off, what is too wide goes on below."""

import io

import pytest
from rich.console import Console

from bench.judging.report import BESIDE, folded, show
from bench.judging.tables import Table

pytestmark = pytest.mark.unit

COLUMNS = ("variant", "clip", "windows of runs", "engine: APCER", "all cues: AUC", "raised")
LINES = (
    (
        "monitor-replay",
        "liveportrait_d10",
        "10 of 1",
        "100.0% (72-100%) of 10",
        "0.956 (0.91-0.99)",
        "1 of 1",
    ),
    ("virtual-background", "[b]mine", "9 of 1", "-", "0.500 (no interval)", "nothing"),
)


def printed(table: Table, width: int) -> list[str]:
    told = io.StringIO()
    show([table], Console(file=told, width=width))
    return told.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_cell_stands_whole_beside_its_names_at_any_width(width: int):
    lines = printed(Table("a title", COLUMNS, LINES, names=2), width)
    assert max(map(len, lines)) <= width
    for name, clip, *cells in LINES:
        beside = " ".join(line for line in lines if line.startswith(name) and clip in line)
        assert all(cell in beside for cell in cells)


def test_a_wide_terminal_needs_one_part_and_a_narrow_one_more():
    table = Table("a title", COLUMNS, LINES)
    heads = [sum("variant" in line for line in printed(table, width)) for width in (200, 80, 50)]
    assert heads[0] == 1
    assert heads == sorted(set(heads))


def test_prose_is_wrapped_and_a_gap_stands_among_the_notes():
    prose = "not measured: the table names none, and nothing here sees them"
    lines = printed(Table("glasses", ("part", "BPCER"), (("glasses", prose),), ("GAP, BPCER: a 3x b",)), 80)
    assert not any(prose in line for line in lines)
    assert "  GAP, BPCER: a 3x b" in lines


@pytest.mark.parametrize("room", [10, 30, 47, 1000])
def test_parts_hold_each_column_once_after_the_names(room: int):
    widths = [8, 3, 12, 20, 7, 9, 2]
    parts = list(folded(widths, 2, room))
    assert [place for part in parts for place in part[2:]] == [2, 3, 4, 5, 6]
    for part in parts:
        assert part[:2] == [0, 1]
        taken = sum(widths[place] for place in part) + BESIDE * (len(part) - 1)
        assert taken <= room or len(part) == 3


def test_a_table_of_names_alone_is_one_part():
    assert list(folded([5, 5], 2, 4)) == [[0, 1]]
