"""Tables on a terminal and in one HTML page."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from bench.judging.tables import Table
from guard.core.errors import EnvironmentProblem

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 } caption { text-align: left; font-weight: 600 }
td, th { border-bottom: 1px solid #ccc; padding: .25rem .7rem; text-align: left; vertical-align: top }
.wide { overflow-x: auto } .note { color: #555; margin: .2rem 0 } .gap { color: #a33; font-weight: 600 }
"""


WIDEST = 30
"""Columns of the terminal that a cell may take before its words are wrapped."""

BESIDE = 2
"""Columns of the terminal between two cells."""


def show(tables: Sequence[Table], console: Console) -> None:
    """Print them one below the other; what is too wide goes on below, its lines named again."""
    for table in tables:
        widths = [_width(table, place) for place in range(len(table.columns))]
        console.print()
        console.print(Text(table.title, style="bold"))
        for part in folded(widths, table.names, console.width):
            drawn = RichTable(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, BESIDE - 1, 0, 0))
            for place in part:
                drawn.add_column(Text(table.columns[place]), width=widths[place])
            for line in table.lines:
                drawn.add_row(*(Text(line[place]) for place in part))
            console.print(drawn)
            console.print()
        for note in table.notes:
            words = Text(note, style="bold red" if note.startswith("GAP") else "dim")
            console.print(Padding(words, (0, 0, 0, 2), expand=False))


def folded(widths: Sequence[int], names: int, room: int) -> Iterator[list[int]]:
    """Which columns stand beside each other: as many as there is room for, after the first ``names``."""
    head = list(range(names))
    part = head
    for place in range(names, len(widths)):
        wider = [*part, place]
        if part != head and sum(widths[one] + BESIDE for one in wider) - BESIDE > room:
            yield part
            wider = [*head, place]
        part = wider
    yield part


def _width(table: Table, place: int) -> int:
    """Of the longest cell, but of some prose; a head is wrapped between its words."""
    cells = [line[place] for line in table.lines]
    words = [word for text in (table.columns[place], *cells) for word in text.split()]
    return max(*map(cell_len, words), min(WIDEST, max(map(cell_len, cells), default=0)))


def write_page(
    title: str, head: Sequence[str], tables: Sequence[Table], chart: go.Figure | None, path: Path
) -> None:
    """One page that needs nothing else; raise EnvironmentProblem where the file cannot be written."""
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(line)}</p>" for line in head)]
    if chart is not None:
        parts.append(chart.to_html(full_html=False, include_plotlyjs=True, div_id="ladder"))
    parts += [_html(table) for table in tables]
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
    try:
        path.write_text(f"{page}<style>{STYLE}</style>{''.join(parts)}</html>\n", encoding="utf-8")
    except OSError as error:
        msg = f"{path}: expected a file to write to, got {error.strerror}; name one in a folder of yours"
        raise EnvironmentProblem(msg) from error


def _html(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in table.lines
    )
    notes = "".join(
        f'<p class="{"gap" if note.startswith("GAP") else "note"}">{escape(note)}</p>' for note in table.notes
    )
    caption = f"<caption>{escape(table.title)}</caption>"
    return f'<div class="wide"><table>{caption}<tr>{head}</tr>{lines}</table></div>{notes}'
