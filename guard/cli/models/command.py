"""The ``guard models`` commands."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from guard.cli.extras import require_extra
from guard.cli.models.catalogue import CATALOGUE, Offer, Part
from guard.cli.models.download import fetch as fetch_file
from guard.cli.models.install import Installed, install, require_ours
from guard.inference.locate import engine_folders, user_root

models = typer.Typer(help="Weights of others, from their makers.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON each on stdout.")]


@models.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """Show what can be fetched, under which terms, and what is here already.

    Example: guard models list
    """
    here = {folder.name for folder in engine_folders()}
    table = Table("name", "engines", "licence and terms", "fetched")
    for offer in CATALOGUE.values():
        engines = [part.engine for part in offer.parts]
        fetched = here.issuperset(engines)
        if as_json:
            _tell_json(_offer_fields(offer) | {"engines": engines, "fetched": fetched})
            continue
        row = (f"{offer.name}\n{offer.says}", "\n".join(engines), offer.terms(), "yes" if fetched else "no")
        table.add_row(*(Text(cell) for cell in row))
    if not as_json:
        Console().print(table)


@models.command()
def fetch(
    name: Annotated[str, typer.Argument(help="As `guard models list` shows it.")],
    *,
    place: Annotated[
        str | None,
        typer.Option(
            "--from", help="Folder, or address of one, that holds the files instead of their maker."
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder of engines to put them into; without it the user's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download weights from their maker, check their digest, convert them, check the result, put it in place.

    All engines of one name, or none.

    Example: guard models fetch minifasnet
    """
    offer = CATALOGUE.get(name)
    if offer is None:
        msg = f"expected one of {', '.join(CATALOGUE)}, got {name!a}"
        raise typer.BadParameter(msg, param_hint="NAME")
    require_extra("models", "convert weights")
    root, source = to or user_root(), place or offer.source
    require_ours(offer, root)
    told = Console(stderr=True)
    told.print(Text(f"{offer.name}: {offer.terms()}\nfrom {source}"), soft_wrap=True)
    contents = [_fetched(part, source, told) for part in offer.parts]
    for one in install(offer, contents, root):
        _tell(one, offer, source, as_json=as_json)
    told.print(Text(_how_to_use(offer, to)), soft_wrap=True)


def _fetched(part: Part, source: str, console: Console) -> bytes:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        return fetch_file(source, part.file, part.sha256, _shown(progress, part.file))


def _shown(progress: Progress, file: str) -> Callable[[int, int | None], None]:
    task = progress.add_task(file, total=None)

    def show(came: int, expected: int | None) -> None:
        progress.update(task, completed=came, total=expected)

    return show


def _tell(one: Installed, offer: Offer, source: str, *, as_json: bool) -> None:
    if as_json:
        fields = {"engine": one.folder.name, "folder": str(one.folder), "max_difference": one.difference}
        _tell_json(fields | _offer_fields(offer) | {"source": source})
        return
    words = f"{one.folder.name}: in {one.folder}; within {one.difference:.1e} of what PyTorch computes"
    Console().print(Text(words), soft_wrap=True)


def _how_to_use(offer: Offer, to: Path | None) -> str:
    names = ", ".join(f'"{part.engine}"' for part in offer.parts)
    folder = f'\n  engines_dir = "{to.resolve()}"' if to else ""
    return (
        f"To ask them beside call-guard's own, set in the configuration:\n  [analysis]{folder}\n"
        f"  second_opinions = [{names}]"
    )


def _offer_fields(offer: Offer) -> dict[str, object]:
    return {
        "name": offer.name,
        "licence": offer.licence,
        "data_terms": offer.data_terms,
        "commercial_use": offer.commercial_use,
        "source": offer.source,
    }


def _tell_json(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields, separators=(",", ":")) + "\n")
