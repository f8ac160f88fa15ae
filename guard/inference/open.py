"""Opens engines, by name or by folder: manifest and backend in one step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from guard.core.errors import ModelError
from guard.inference.engine import Engine
from guard.inference.locate import engine_folders, find_engine
from guard.inference.manifest import Manifest, read_manifest


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """An active engine and its manifest; may be shared by all calls of the process."""

    manifest: Manifest
    engine: Engine


def list_engines(engines_dir: Path | None = None) -> tuple[Manifest, ...]:
    """The manifests of all engines found, without loading a model."""
    return tuple(read_manifest(folder) for folder in engine_folders(engines_dir))


def open_engine(name: str, engines_dir: Path | None = None) -> LoadedEngine:
    """Load and warm up the engine called ``name``; blocks for tens of milliseconds.

    Raises:
        ModelError: no such engine, its model file is missing or altered, or it does not fit its manifest.
        ConfigError: its manifest is faulty.
    """
    return open_folder(find_engine(name, engines_dir))


def open_folder(folder: Path) -> LoadedEngine:
    """Load and warm up the engine in ``folder``; as ``open_engine`` in all else."""
    manifest = read_manifest(folder)
    return _open(manifest, folder / manifest.engine.model, manifest.engine.sha256)


def open_twin(folder: Path) -> LoadedEngine | None:
    """The fp16 twin of the engine in ``folder`` on the CPU, to check it; None where it has none.

    Raises:
        ModelError: as ``open_engine``.
        ConfigError: same.
    """
    manifest = read_manifest(folder)
    twin, sha256 = manifest.engine.model_fp16, manifest.engine.sha256_fp16
    return None if twin is None or sha256 is None else _open(manifest, folder / twin, sha256)


def _open(manifest: Manifest, model: Path, sha256: str) -> LoadedEngine:
    # only now, so that a broken wheel keeps no command from saying so
    from guard.inference.onnxruntime import OnnxRuntimeEngine  # noqa: PLC0415 -- see above

    engine = OnnxRuntimeEngine(model, sha256)
    engine.activate()
    _require_fit(manifest, engine)
    return LoadedEngine(manifest, engine)


def _require_fit(manifest: Manifest, engine: Engine) -> None:
    """Raise ModelError unless the graph has the input and the output that the manifest states."""
    side = manifest.input.size
    expected = {manifest.input.name: (None, 3, side, side)}
    found = dict(engine.inputs())
    if found != expected:
        msg = (
            f"engine {manifest.engine.name!r}: expected inputs {expected} as its manifest states, "
            f"got {found}; export it with a free batch axis, or mend [input] in engine.toml"
        )
        raise ModelError(msg)
    shapes = {
        name: array.shape
        for name, array in engine.infer(
            {manifest.input.name: np.zeros((2, 3, side, side), np.float32)}
        ).items()
    }
    if shapes.get(manifest.output.name) not in {(2,), (2, 1)}:
        msg = (
            f"engine {manifest.engine.name!r}: expected {manifest.output.name!r}, one logit a picture, "
            f"got {shapes} for two; mend [output] in engine.toml, or export the model again"
        )
        raise ModelError(msg)
