"""``guard engines``: what models there are, and whether they compute what they should."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from guard.core.errors import EnvironmentProblem, GuardError
from guard.inference.check import check_engine
from guard.inference.locate import engine_folders, shipped_roots, unnamed_folders, user_root
from guard.inference.manifest import MANIFEST_NAME, EngineSection, read_manifest

engines = typer.Typer(help="The models that judge faces.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--dir", help="Folder of engines; without it those of the package and yours.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON an engine on stdout.")]


@engines.command("list")
def list_all(*, folder: Folder = None, as_json: AsJson = False) -> None:
    """Show the engines and the terms of their weights.

    Example: guard engines list
    """
    found = [(place, _engine(place)) for place in engine_folders(folder)]
    if as_json:
        for place, one in found:
            fields = (
                {"name": place.name, "error": one} if isinstance(one, str) else one.model_dump(mode="json")
            )
            sys.stdout.write(json.dumps(fields | {"folder": str(place)}, separators=(",", ":")) + "\n")
        return
    table = Table(
        Column("engine", no_wrap=True), "task", "commercial use", "licence and data", show_lines=True
    )
    for place, one in found:
        table.add_row(*(Text(cell) for cell in _row(place, one)))
    Console().print(table)


def _engine(folder: Path) -> EngineSection | str:
    """What the manifest says, or what is wrong with it."""
    try:
        return read_manifest(folder).engine
    except GuardError as error:
        return str(error)


def _row(place: Path, one: EngineSection | str) -> tuple[str, str, str, str]:
    if isinstance(one, str):
        return f"{place.name}\n{_origin(place)}", "", "", one
    name = f"{one.name}\n{one.version}, {_origin(place)}"
    return name, one.task, "yes" if one.commercial_use else "no", f"{one.licence}; {one.data_terms}"


def _origin(folder: Path) -> str:
    if folder.parent in shipped_roots():
        return "of the package"
    with suppress(EnvironmentProblem):
        if folder.parent == user_root():
            return "yours"
    return "of this folder"


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
    for place in engine_folders(folder):
        row: dict[str, Any] = {"engine": place.name, "ok": True}
        try:
            checked = check_engine(place)
            row["max_difference"] = checked.difference
            if checked.twin_difference is not None:
                row["max_difference_fp16"] = checked.twin_difference
        except GuardError as error:
            failed = True
            row = {"engine": place.name, "ok": False, "error": str(error)}
        _tell(row, as_json=as_json)
    raise typer.Exit(1 if failed else 0)


def _tell(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(row, separators=(",", ":")) + "\n")
        return
    verdict = f"within {row['max_difference']:.1e}" if row["ok"] else row["error"]
    if "max_difference_fp16" in row and row["ok"]:
        verdict += f", its fp16 twin within {row['max_difference_fp16']:.1e} of the probability"
    Console().print(f"{row['engine']}: {verdict}", markup=False, highlight=False, soft_wrap=True)
