"""Finds engines: a folder given, else ``guard/_engines`` (wheel), else ``engines/`` beside the package."""

from collections.abc import Iterator
from pathlib import Path

from guard.core.errors import ModelError
from guard.inference.manifest import MANIFEST_NAME

PACKAGE = Path(__file__).resolve().parents[1]


def engine_roots(engines_dir: Path | None = None) -> tuple[Path, ...]:
    """The folders in which engines are looked for, first wins; ``engines_dir`` alone where one is given.

    A wheel carries ``guard/_engines``; an editable install has none, its engines lie beside the package.
    """
    if engines_dir is not None:
        return (engines_dir,)
    return (PACKAGE / "_engines", PACKAGE.parent / "engines")


def engine_folders(engines_dir: Path | None = None) -> Iterator[Path]:
    """Every engine's folder, sorted by name within each root; a name seen before is skipped."""
    seen: set[str] = set()
    for root in engine_roots(engines_dir):
        for manifest in sorted(root.glob(f"*/{MANIFEST_NAME}")):
            if manifest.parent.name not in seen:
                seen.add(manifest.parent.name)
                yield manifest.parent


def unnamed_folders(engines_dir: Path | None = None) -> Iterator[Path]:
    """Folders that hold a model but no manifest: nobody can use them."""
    for root in engine_roots(engines_dir):
        for model in sorted(root.glob("*/*.onnx")):
            if not (model.parent / MANIFEST_NAME).exists():
                yield model.parent


def find_engine(name: str, engines_dir: Path | None = None) -> Path:
    """The folder of the engine called ``name``; raise ModelError that names every place looked at."""
    found = {folder.name: folder for folder in engine_folders(engines_dir)}
    if name in found:
        return found[name]
    places = ", ".join(str(root) for root in engine_roots(engines_dir))
    known = ", ".join(found) or "none"
    msg = (
        f"engine {name!r}: expected {name}/{MANIFEST_NAME} in one of: {places}; found there: {known}. "
        f"Correct the name, or point analysis.engines_dir to the folder that holds it"
    )
    raise ModelError(msg)
