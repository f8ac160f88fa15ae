"""``guard engines``: what models there are, and whether they compute what they should."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guard.core.errors import ModelError
from guard.inference.locate import find_engine, unnamed_folders
from guard.inference.manifest import MANIFEST_NAME
from guard.inference.open import list_engines, open_engine
from guard.inference.parity import check_parity

engines = typer.Typer(help="The models that judge faces.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--dir", help="Folder of engines; without it those of the package.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON an engine on stdout.")]


@engines.command("list")
def list_all(*, folder: Folder = None, as_json: AsJson = False) -> None:
    """Show the engines and the terms of their weights.

    Example: guard engines list
    """
    found = [manifest.engine for manifest in list_engines(folder)]
    if as_json:
        for one in found:
            sys.stdout.write(one.model_dump_json() + "\n")
        return
    table = Table("engine", "version", "task", "commercial use", "data")
    for one in found:
        row = (one.name, one.version, one.task, "yes" if one.commercial_use else "no", one.data_terms)
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@engines.command()
def check(*, folder: Folder = None, as_json: AsJson = False) -> None:
    """Run every engine on its golden inputs; exit status 1 where one is altered or computes something else.

    Example: guard engines check
    """
    failed = False
    for lacking in unnamed_folders(folder):
        failed = True
        words = f"{lacking}: expected {MANIFEST_NAME} beside the model, got none"
        _tell({"engine": lacking.name, "ok": False, "error": words}, as_json=as_json)
    for manifest in list_engines(folder):
        name = manifest.engine.name
        try:
            loaded = open_engine(name, folder)
            difference = check_parity(loaded.engine, manifest, find_engine(name, folder) / "golden.npz")
            row = {"engine": name, "ok": True, "max_difference": difference}
        except ModelError as error:
            failed = True
            row = {"engine": name, "ok": False, "error": str(error)}
        _tell(row, as_json=as_json)
    raise typer.Exit(1 if failed else 0)


def _tell(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(row, separators=(",", ":")) + "\n")
        return
    verdict = f"within {row['max_difference']:.1e}" if row["ok"] else row["error"]
    Console().print(f"{row['engine']}: {verdict}", markup=False, highlight=False, soft_wrap=True)
