"""How well does an engine tell attacks from bona fide faces, judged exactly as in a call?

    python bench/accuracy.py --manifest TSV --root DIR [--engine NAME]
                             [--codec none|vp8-600k|vp8-250k|h264-600k] [--face-px 96]
                             [--whole-image] [--json]
    python bench/accuracy.py --manifest TSV --root DIR --tables [--out report.html] [--plot ladder.png]
    python bench/accuracy.py --calls DIR [--engine NAME] [--held-out] [--all]

The table has columns ``path label`` and, where known, ``group`` (person or clip), ``attack`` (species) and
``source``; labels are bona_fide/real/live and attack/fake/spoof. Each picture passes the product's own
decoder, landmarker, quality gate, crop, engine and calibration; what these refuse is an abstention.

``--codec``: the picture, scaled so that the landmarks' box measures ``--face-px``, is pasted into 20 frames
of a 640x360 call over a moving background, coded at that bitrate, and the last frame is judged; ``none``
judges the picture as it is. ``--whole-image``: the picture is the face's box. ``--tables`` judges a sample
(``--limit``, 400) under every codec and size, beside every other engine of the same task. ``--calls`` judges
clips with *simulated* attacks, in windows of five seconds. bench/README.md says how to read each figure.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.judging import calls, plotting, report, tables
from bench.judging.coding import HEIGHT, RUNGS
from bench.judging.judge import Engines, Judged, Setting, settings_of
from bench.judging.rows import Row, held_out, read_rows, sample
from bench.judging.running import judge_all
from bench.judging.summary import Scored, last_line, reasons_of
from guard.config import AnalysisSettings
from guard.core.errors import GuardError, MediaError
from guard.inference.locate import find_engine
from guard.inference.manifest import read_manifest
from guard.inference.open import list_engines
from guard.telemetry.native import divert_native_stderr

SIZES = (48, 64, 96, 128, 200)
SIZES_THROUGH = "vp8-600k"
TABLES_LIMIT = 400
CODED_PART = 4
"""Coded pictures cost some six times a plain one: the ladder takes every fourth of the sample."""

ENGINE = "face-manipulation"
"""Judges pictures where nobody names another."""

OF_PICTURES = (
    "manifest",
    "root",
    "codec",
    "face_px",
    "whole_image",
    "threshold",
    "under",
    "limit",
    "tables",
    "compare",
    "plot",
)
"""Options that mean nothing to calls."""

SHORTEST_RUN = 7.0
"""Seconds: two windows beside the start."""

WRONG_USE = 2


def main() -> int:
    """Judge and print; 2 where the arguments, the table or an engine are wrong."""
    options = read_options()
    try:
        told = _calls(options) if options.calls else _pictures(options)
    except GuardError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_USE
    print(json.dumps(told))
    return 0


def _pictures(options: argparse.Namespace) -> dict[str, Any]:
    rows = chosen_rows(options)
    names = (options.engine, *(references(options) if options.tables or options.compare else ()))
    engines = Engines(names, options.engines_dir)
    engines.open()  # what is wrong with one is told here, not by the processes
    setting = Setting(options.codec, options.face_px, options.whole_image)
    judged = judge_all([(row, setting) for row in rows], engines, options.seed, options.jobs)
    if not judged:
        raise MediaError(f"expected pictures to judge, none of {len(rows)} could be read; check --root")
    scored = Scored.by_engine(judged, options.engine)
    told = last_line(scored, reasons_of(judged, options.engine), options.threshold)
    told |= {
        "unreadable": len(rows) - len(judged),
        "engine": options.engine,
        "setting": str(setting),
        "held_out": options.held_out,
    }
    told["references"] = {
        name: {"auc": line["auc"], "n": line["n"], "judged": line["judged"]}
        for name in names[1:]
        for line in [last_line(Scored.by_engine(judged, name), reasons_of(judged, name), options.threshold)]
    }
    if options.tables:
        _tables(options, rows, engines, judged)
    elif not options.json:
        runs = {setting: judged}
        _show(options, [tables.ladder(runs, options.engine, names[1:], options.threshold)])
    return told


def _tables(
    options: argparse.Namespace, rows: Sequence[Row], engines: Engines, judged: Sequence[Judged]
) -> None:
    """The card's tables: the ladder on a part of the sample, the splits on all of it."""
    part = sample(rows, None if options.all else max(1, len(rows) // CODED_PART), options.seed)
    at = (SIZES_THROUGH, options.face_px)
    settings = list(settings_of(list(RUNGS), SIZES, at, whole=options.whole_image))
    work = [(row, setting) for setting in settings for row in part]
    found = judge_all(work, engines, options.seed, options.jobs)
    runs = {setting: [one for one in found if one.setting == setting] for setting in settings}
    name, *others = engines.names
    task = read_manifest(find_engine(name.split("+")[0], options.engines_dir)).engine.task
    made = [
        tables.ladder(runs, name, others, options.threshold),
        tables.by_species({judged[0].setting: judged} if judged else {}, name, task, options.threshold),
        tables.by_species(
            {one: of for one, of in runs.items() if one.face_px == options.face_px},
            name,
            task,
            options.threshold,
        ),
        *tables.splits(judged, name, options.threshold),
    ]
    curves = plotting.curves(runs, engines.names, at)
    title = f"{name}: {len(rows)} pictures, {len(part)} of them on the ladder" + (
        ", people that no recipe trains on" if options.held_out else ""
    )
    _show(options, made)
    if options.plot:
        plotting.write_png(curves, title, options.plot)
    if options.out:
        report.write_page("Accuracy", [title], made, plotting.figure(curves, title), options.out)


def _calls(options: argparse.Namespace) -> dict[str, Any]:
    told, made = calls.run(
        calls.Plan(
            folder=options.calls,
            analysis=_analysis(options),
            seconds=options.seconds,
            seed=options.seed,
            everything=options.all,
            held_out=options.held_out,
        ),
        options.jobs,
    )
    _show(options, made)
    if options.out:
        head = [f"left out, no face or not readable: {name}" for name in told["left_out"]]
        report.write_page("Accuracy in calls, simulated attacks", head, made, None, options.out)
    return told


def _analysis(options: argparse.Namespace) -> AnalysisSettings:
    """The product's engines, the one that was named in place of that of its task."""
    if options.engine is None:
        return AnalysisSettings(engines_dir=options.engines_dir)
    task = read_manifest(find_engine(options.engine, options.engines_dir)).engine.task
    named = {f"{task}_engine": options.engine}
    return AnalysisSettings.model_validate({"engines_dir": options.engines_dir, **named})


def _show(options: argparse.Namespace, made: Sequence[tables.Table]) -> None:
    if not options.json:
        report.show(made, Console())


def chosen_rows(options: argparse.Namespace) -> list[Row]:
    """The rows that are asked for."""
    rows = read_rows(options.manifest, options.root, options.under)
    if options.held_out:
        rows = held_out(rows)
    return sample(rows, None if options.all else options.limit, options.seed)


def references(options: argparse.Namespace) -> list[str]:
    """The engines named by --compare, else every other one of the same task that is there."""
    if options.compare:
        return [name for name in options.compare.split(",") if name != options.engine]
    own = options.engine.split("+")
    task = read_manifest(find_engine(own[0], options.engines_dir)).engine.task
    known = {one.engine.name: one.engine.task for one in list_engines()}
    if options.engines_dir:
        known |= {one.engine.name: one.engine.task for one in list_engines(options.engines_dir)}
    return [name for name, of in known.items() if of == task and name not in own]


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--manifest",
        type=Path,
        help="table of pictures, tabs between columns: path label [group attack source]",
    )
    add("--root", type=Path, help="folder that the table's paths begin in; without it the table's own")
    add(
        "--engine",
        help=f"engine to judge with ({ENGINE}); a+b gives one opinion of two; with --calls it takes the place"
        " of the one of its task",
    )
    add("--engines-dir", type=Path, help="folder of engines, looked into first")
    add("--codec", choices=list(RUNGS), default="none", help="what the pictures are sent through")
    add("--face-px", type=int, default=96, help="longer side of the landmarks' box in the coded frame (96)")
    add("--whole-image", action="store_true", help="the picture is the face's box: no landmarker")
    add("--json", action="store_true", help="print only the last line")
    add("--threshold", type=float, default=0.5, help="of P(attack), for APCER and BPCER")
    add("--under", action="append", default=[], metavar="PREFIX", help="only rows whose path begins so")
    add("--held-out", action="store_true", help="only groups, or clips, that no recipe trains on")
    add("--limit", type=int, help=f"sample of so many pictures (with --tables {TABLES_LIMIT})")
    add("--seed", type=int, default=0, help="of the sample, the backgrounds and the draws (0)")
    add("--tables", action="store_true", help="the tables of an engine's card")
    add("--compare", help="engines to compare with, by commas; with --tables all others of the task")
    add("--out", type=Path, help="write the tables as one HTML page, with --tables the ladder too")
    add("--plot", type=Path, help="with --tables: write the ladder as PNG")
    add("--calls", type=Path, metavar="DIR", help="judge the clips in this folder, with simulated attacks")
    add("--seconds", type=float, default=15.0, help="with --calls: length of a run")
    add("--all", action="store_true", help="no sample: every picture under every setting, every clip")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args(arguments)
    _refuse(options, parser)
    if options.calls:
        return options
    options.engine = options.engine or ENGINE
    if options.root is None:
        options.root = options.manifest.parent
    if options.tables and options.limit is None:
        options.limit = TABLES_LIMIT
    return options


def _refuse(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """End with status 2 where options do not go together."""
    if options.calls:
        given = [name for name in OF_PICTURES if getattr(options, name) != parser.get_default(name)]
        if given:
            parser.error(f"with --calls there is no --{given[0].replace('_', '-')}: it is for pictures")
        if "+" in (options.engine or ""):
            parser.error("with --calls name one engine: the call has others beside it")
        if options.seconds < SHORTEST_RUN:
            parser.error(f"--seconds: give {SHORTEST_RUN:g} or more, for some windows of 5 s")
    elif options.manifest is None:
        parser.error("give --manifest, or --calls")
    if options.limit is not None and options.limit < 1:
        parser.error("--limit: give 1 or more")
    if not SIZES[0] / 2 <= options.face_px <= HEIGHT:
        parser.error(f"--face-px: give {SIZES[0] // 2} to {HEIGHT}, what a frame of the call holds")
    if options.plot and not options.tables:
        parser.error("--plot draws the ladder of --tables: give that too")


if __name__ == "__main__":
    divert_native_stderr(Path(os.devnull))  # MediaPipe talks of itself; the worker processes inherit this
    sys.exit(main())
