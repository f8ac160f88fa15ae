"""Finds engines: in a folder given, in the wheel or beside the package, and in the user's data folder."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from guard.core.errors import EnvironmentProblem, ModelError
from guard.inference.manifest import MANIFEST_NAME

PACKAGE = Path(__file__).resolve().parents[1]


def shipped_roots() -> tuple[Path, ...]:
    """Where the package's engines lie: ``guard/_engines`` of a wheel, else beside an editable install."""
    return (PACKAGE / "_engines", PACKAGE.parent / "engines")


def user_root() -> Path:
    """Where fetched and trained engines go: ``call-guard/engines`` in the user's data folder.

    Raise EnvironmentProblem as ``user_folder``.
    """
    return user_folder("XDG_DATA_HOME", ".local/share") / "engines"


def user_folder(variable: str, fallback: str) -> Path:
    """``call-guard`` in the folder that ``variable`` names, where that is absolute, else in ~/``fallback``.

    As the XDG Base Directory Specification 0.8 has it. Raise EnvironmentProblem where there is no such
    folder, as for some services.
    """
    given = Path(os.environ.get(variable, ""))
    try:
        home = given if given.is_absolute() else Path.home() / fallback
    except RuntimeError:
        msg = f"expected a home folder, got none; set HOME or {variable}, or name the folder to use"
        raise EnvironmentProblem(msg) from None
    return home / "call-guard"


def engine_roots() -> tuple[Path, ...]:
    """The folders of engines that everybody has, first wins.

    The user's come last, so that nothing there takes the place of an engine of the package.
    """
    with suppress(EnvironmentProblem):
        return (*shipped_roots(), user_root())
    return shipped_roots()


def engine_folders(engines_dir: Path | None = None) -> Iterator[Path]:
    """Every engine's folder, of ``engines_dir`` alone or of ``engine_roots()``; sorted by name within each.

    A name seen before is skipped.
    """
    seen: set[str] = set()
    for root in _listed(engines_dir):
        for manifest in sorted(root.glob(f"*/{MANIFEST_NAME}")):
            if manifest.parent.name not in seen:
                seen.add(manifest.parent.name)
                yield manifest.parent


def unnamed_folders(engines_dir: Path | None = None) -> Iterator[Path]:
    """Folders that hold a model but no manifest: nobody can use them."""
    for root in _listed(engines_dir):
        for folder in sorted({model.parent for model in root.glob("*/*.onnx")}):
            if not (folder / MANIFEST_NAME).exists():
                yield folder


def find_engine(name: str, engines_dir: Path | None = None) -> Path:
    """The folder of the engine called ``name``: in ``engines_dir``, of the package, or of the user.

    Raises:
        ModelError: there is none; it names every place looked at.
    """
    roots = (*([] if engines_dir is None else [engines_dir]), *engine_roots())
    found = {folder.name: folder for root in reversed(roots) for folder in engine_folders(root)}
    if name in found:
        return found[name]
    places = ", ".join(str(root) for root in roots)
    known = ", ".join(sorted(found)) or "none"
    msg = (
        f"engine {name!r}: expected {name}/{MANIFEST_NAME} in one of: {places}; found there: {known}. "
        f"Correct the name, or point analysis.engines_dir to the folder that holds it"
    )
    raise ModelError(msg)


def _listed(engines_dir: Path | None) -> tuple[Path, ...]:
    return engine_roots() if engines_dir is None else (engines_dir,)
