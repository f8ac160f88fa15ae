"""Tables on a terminal and in one HTML page."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from rich.console import Console
from rich.table import Table as RichTable

from bench.judging.tables import Table
from guard.core.errors import EnvironmentProblem

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 } caption { text-align: left; font-weight: 600 }
td, th { border-bottom: 1px solid #ccc; padding: .25rem .7rem; text-align: left; vertical-align: top }
.wide { overflow-x: auto } .note { color: #555; margin: .2rem 0 } .gap { color: #a33; font-weight: 600 }
"""


def show(tables: Sequence[Table], console: Console) -> None:
    """Print them one below the other."""
    for table in tables:
        drawn = RichTable(*table.columns, title=table.title, title_justify="left", padding=(0, 1))
        for line in table.lines:
            drawn.add_row(*line)
        console.print()
        console.print(drawn)
        for note in table.notes:
            console.print(f"  {note}", style="bold red" if note.startswith("GAP") else "dim", markup=False)


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
