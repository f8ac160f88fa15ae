"""Every engine that the settings name, each under the cue that it speaks in."""

from pathlib import Path

from guard.config.settings import AnalysisSettings
from guard.core.errors import ConfigError
from guard.core.types import Cue
from guard.detectors.registry import SECOND_OF, TASK_OF
from guard.inference.locate import find_engine
from guard.inference.manifest import read_manifest
from guard.inference.open import LoadedEngine, open_folder


def engine_names(analysis: AnalysisSettings) -> tuple[str, ...]:
    """The engines named; raise ConfigError where one is named twice: it would be its own witness."""
    names = (analysis.manipulation_engine, analysis.presentation_engine, *analysis.second_opinions)
    for name in names:
        if names.count(name) > 1:
            msg = (
                f"analysis: expected each engine once in manipulation_engine, presentation_engine and "
                f"second_opinions, got {name!r} twice; name another, or leave it out"
            )
            raise ConfigError(msg)
    return names


def find_networks(analysis: AnalysisSettings) -> tuple[tuple[Cue, Path], ...]:
    """The folders of the engines named, each under the cue that it speaks in; none is opened.

    Raises:
        ModelError: one is not there.
        ConfigError: ``engines_dir`` is no folder, an engine is named twice or for a task that is not its own,
            or its manifest is faulty.
    """
    if analysis.engines_dir is not None:
        _require_folder(analysis.engines_dir)
    folders = [find_engine(name, analysis.engines_dir) for name in engine_names(analysis)]
    tasks = [read_manifest(folder).engine.task for folder in folders]
    cues = [Cue.FACE_MANIPULATION, Cue.FACE_PRESENTATION, *(SECOND_OF[task] for task in tasks[2:])]
    for cue, folder, task in zip(cues, folders, tasks, strict=True):
        if task != TASK_OF[cue]:
            msg = (
                f"analysis.{TASK_OF[cue]}_engine: expected an engine for that task, "
                f"got {folder.name!r}, which judges {task}; name another"
            )
            raise ConfigError(msg)
    return tuple(zip(cues, folders, strict=True))


def _require_folder(path: Path) -> None:
    try:
        found = path.is_dir()
    except OSError:  # as of a folder that may not be entered
        found = False
    if not found:
        msg = f"analysis.engines_dir: expected a folder of engines, got {str(path)!a}, which is none; mend it"
        raise ConfigError(msg)


def open_networks(analysis: AnalysisSettings) -> tuple[tuple[Cue, LoadedEngine], ...]:
    """Load and warm up the engines named; blocks for tens of milliseconds each.

    Raises:
        ModelError: one is not there, or cannot run.
        ConfigError: as ``find_networks``.
    """
    return tuple((cue, open_folder(folder)) for cue, folder in find_networks(analysis))
