"""The face model and the engines: whole, computing what they should, how fast, under which terms."""

import subprocess
import sys
import time
from statistics import median

import numpy as np

from guard.cli.doctor.check import Check, Checks, Level, trial
from guard.config import Settings
from guard.config.settings import FaceSettings
from guard.core.units import Seconds

AREA = "models"
RUNS = 15
PATIENCE: Seconds = 60.0


def models(settings: Settings) -> Checks:
    """The models that the settings name, and every other engine that is there."""
    yield trial(AREA, "face model", lambda: _face_model(settings))
    yield trial(AREA, "face landmarker", lambda: _landmarker(settings))
    yield from _engines(settings)


def _face_model(settings: Settings) -> str:
    from guard.faces.landmarker import load_model  # noqa: PLC0415 -- may be broken

    load_model(settings.faces)
    return f"sha256 {settings.faces.model_sha256[:16]}… as expected"


def _landmarker(settings: Settings) -> str:
    """Open it in a process of its own, which MediaPipe's library ends where it lacks something."""
    code = f"import sys; from {__name__} import open_landmarker; open_landmarker(sys.argv[1])"
    command = [sys.executable, "-c", code, settings.faces.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 -- our own interpreter
    if done.returncode == 0:
        return f"opens in {done.stdout.strip()} ms"
    said = done.stderr.strip().splitlines() or ["nothing"]
    msg = f"opening it ended with status {done.returncode}; its last words: {said[-1]}"
    raise RuntimeError(msg)


def open_landmarker(faces: str) -> None:
    """Open and close MediaPipe's landmarker with these settings (JSON); print its milliseconds."""
    from guard.faces.landmarker import load_model  # noqa: PLC0415 -- may be broken
    from guard.faces.tracker import FaceTracker  # noqa: PLC0415 -- same

    settings = FaceSettings.model_validate_json(faces)
    began = time.monotonic()
    FaceTracker(settings, load_model(settings)).close()
    sys.stdout.write(f"{1000 * (time.monotonic() - began):.0f}\n")


def _engines(settings: Settings) -> Checks:
    from guard.inference.locate import engine_folders, unnamed_folders  # noqa: PLC0415 -- may be broken
    from guard.session.networks import engine_names  # noqa: PLC0415 -- same

    folder, used = settings.analysis.engines_dir, engine_names(settings.analysis)
    names = [found.name for found in engine_folders(folder)]
    for name in dict.fromkeys((*used, *names)):
        level = Level.FAILED if name in used else Level.WARNING
        yield trial(AREA, f"engine {name}", lambda name=name: _engine(name, settings), level=level)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    yield trial(AREA, "engines by task", lambda: _by_task(settings), level=Level.FAILED)
    for lacking in unnamed_folders(folder):
        yield Check(AREA, f"engine {lacking.name}", Level.WARNING, "a model without engine.toml", "both")


def _by_task(settings: Settings) -> str:
    from guard.session.networks import find_networks  # noqa: PLC0415 -- may be broken

    return ", ".join(f"{cue.value}: {folder.name}" for cue, folder in find_networks(settings.analysis))


def _engine(name: str, settings: Settings) -> str:
    from guard.inference.locate import find_engine  # noqa: PLC0415 -- may be broken
    from guard.inference.open import open_folder  # noqa: PLC0415 -- same
    from guard.inference.parity import GOLDEN_NAME, check_parity  # noqa: PLC0415 -- same

    folder = find_engine(name, settings.analysis.engines_dir)
    loaded = open_folder(folder)
    try:
        difference = check_parity(loaded.engine, loaded.manifest, folder / GOLDEN_NAME)
        side = loaded.manifest.input.size
        feeds = {loaded.manifest.input.name: np.zeros((1, 3, side, side), np.float32)}
        times = []
        for _ in range(RUNS):
            began = time.perf_counter()
            loaded.engine.infer(feeds)
            times.append(time.perf_counter() - began)
    finally:
        loaded.engine.deactivate()
    speed = f"{1000 * median(times):.1f} ms a face on one core"
    return f"within {difference:.1e} of its golden outputs, {speed}; {loaded.manifest.engine.terms()}"
