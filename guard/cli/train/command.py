"""The ``guard train`` command."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from guard.cli.extras import require_extra
from guard.cli.train.card import QUICK, card, figures_file
from guard.cli.train.material import Least, read_material
from guard.cli.train.place import Terms, find_recipe, put_in_place, require_free, training_root
from guard.cli.train.run import STEP, run_recipe
from guard.core.errors import ConfigError, EnvironmentProblem
from guard.inference.locate import user_root
from guard.inference.manifest import read_manifest
from guard.simulate.training.listing import LISTING

LEAST_OF_QUICK = Least(pictures=20, attacks=10, learned=2, held_out=1)
RUN = "run.json"
DRAFT = "draft"


def train(
    *,
    source: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Folder with MANIFEST.tsv: path, label, group; also held_out and family, see above.",
            file_okay=False,
            exists=True,
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
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped or failed.")
    ] = False,
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

    MANIFEST.tsv is a table in UTF-8 with tabs: `path` (a picture or a clip below the folder), `label`
    (bona_fide or attack), `group` (who it is). Some persons are kept to judge by; a column `held_out` may say
    who: yes or no, in one row of a person at least. A column `family` may say presentation or manipulation of
    an attack: engines of the other task then do not learn from it.

    Example: guard train --data calls --engine face-presentation --name ours
    """
    recipe = find_recipe(engine)
    terms = Terms(name or f"{engine}-own", licence, data_terms, commercial_use)
    root = out or user_root()
    require_free(terms.name, root)
    material = read_material(source, read_manifest(recipe.parent).engine.task)
    material.require(LEAST_OF_QUICK if quick else Least())
    console = Console(stderr=True)
    console.print(Text(f"{engine}: {material}"), soft_wrap=True)
    require_extra("train", "train")
    place = (work or training_root()) / terms.name
    run = {"engine": engine, "data": str(source.resolve()), "quick": quick, "rows": material.digest}
    _begin(place, run, resume=resume)
    command = [sys.executable, str(recipe), "--data", str(source), "--out", str(place / DRAFT)]
    command += ["--work", str(place), "--threads", str(threads), *(["--quick"] if quick else [])]
    _follow(command, place, console)
    figures = figures_file(place, engine)
    folder = put_in_place(place / DRAFT, terms, card(terms, engine, material, figures, quick=quick), root)
    _tidy(place, figures, keep=work is not None)
    sys.stdout.write(f"{folder}\n")
    console.print(Text(_how_to_use(folder, out, quick=quick)), soft_wrap=True)


def _begin(place: Path, run: Mapping[str, object], *, resume: bool) -> None:
    """Make the folder of a run; raise ConfigError where what lies there is not what is asked for."""
    before = _noted(place / RUN)
    state = sorted(place.glob("*.pt"))
    if before is not None:
        _require_same(place, before, run)
        if not resume:
            msg = (
                f"{place}: expected --resume, as an unfinished run lies there; add that, or remove the folder"
            )
            raise ConfigError(msg)
    if before is None and resume:
        msg = (
            f"{place}: expected an unfinished run to go on with, got none; leave out --resume, or mend --work"
        )
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


def _require_same(place: Path, before: Mapping[str, object], run: Mapping[str, object]) -> None:
    other = [
        f"{LISTING} has changed"
        if key == "rows"
        else f"--{key} was {_said(before.get(key))}, is {_said(now)}"
        for key, now in run.items()
        if before.get(key) != now
    ]
    if other:
        msg = (
            f"{place}: expected what the unfinished run there was begun with, got other: {'; '.join(other)}; "
            f"go back to that with --resume, choose another --name, or remove the folder"
        )
        raise ConfigError(msg)


def _said(value: object) -> str:
    return "given" if value is True else str(value or "not given")


def _noted(note: Path) -> dict[str, object] | None:
    """What a run that was begun said of itself; None where there is no such note."""
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = (
            f"{note}: expected the note of an unfinished run, got: {error}; remove its folder, or mend --work"
        )
        raise ConfigError(msg) from None
    return noted if isinstance(noted, dict) else {}


def _tidy(place: Path, figures: Path, *, keep: bool) -> None:
    """Remove what a finished run leaves; the faces that it cut out stay where that was asked for."""
    if not keep:
        shutil.rmtree(place, ignore_errors=True)
        return
    shutil.rmtree(place / DRAFT, ignore_errors=True)
    for left in (place / RUN, figures, *place.glob("*.pt")):
        left.unlink(missing_ok=True)


def _follow(command: list[str], place: Path, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
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

            run_recipe(command, told)
    except KeyboardInterrupt:
        words = f"stopped; the state is in {place}: the same command with --resume goes on"
        console.print(Text(words), soft_wrap=True)
        raise


def _how_to_use(folder: Path, out: Path | None, *, quick: bool) -> str:
    dir_line = f'\n  engines_dir = "{out.resolve()}"' if out else ""
    warning = f"It was {QUICK}.\n" if quick else ""
    return (
        f"{warning}To use it, set in the configuration, in place of the engine of its task:\n"
        f"  [analysis]{dir_line}\n"
        f'  {read_manifest(folder).engine.task}_engine = "{folder.name}"\n'
        f"See its figures in {folder / 'CARD.md'} first."
    )
