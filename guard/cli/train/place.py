"""From a recipe's draft to an engine of one's own: its name and terms, a card, and its place."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from guard.core.errors import ConfigError, ModelError
from guard.inference.check import check_engine
from guard.inference.locate import engine_roots, find_engine, user_folder
from guard.inference.manifest import ENGINE_NAME, MANIFEST_NAME
from guard.inference.place import drafted, put

RECIPE = "recipe.py"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the manifest of a trained engine says of its use; only who trained it can know."""

    name: str
    licence: str
    data_terms: str
    commercial_use: bool


def find_recipe(engine: str) -> Path:
    """The recipe of an engine of the package; raise ModelError or ConfigError where there is none."""
    folder = find_engine(engine)
    recipe = folder / RECIPE
    if not recipe.is_file():
        msg = f"engine {engine!r}: expected {recipe}, got none; only engines with a recipe can be trained"
        raise ConfigError(msg)
    return recipe


def require_free(name: str, root: Path) -> None:
    """Raise ConfigError unless an engine of this name can be put into ``root`` without hiding another."""
    if not re.fullmatch(ENGINE_NAME, name):
        msg = f"--name: expected letters, digits, - and _, 64 at most, got {name!a}"
        raise ConfigError(msg)
    taken = [folder / name for folder in (*engine_roots(), root) if (folder / name).exists()]
    if taken:
        msg = (
            f"--name: expected the name of no engine that there is, got {name!r} ({taken[0]}); choose another"
        )
        raise ConfigError(msg)


def training_root() -> Path:
    """Where runs keep their state: ``call-guard/training`` in the user's cache (``XDG_CACHE_HOME``).

    Raise EnvironmentProblem as ``user_folder``.
    """
    return user_folder("XDG_CACHE_HOME", ".cache") / "training"


def put_in_place(draft: Path, terms: Terms, card: str, root: Path) -> Path:
    """Give a copy of the draft its name and terms, check it, and put it into ``root``; its folder there.

    Raises:
        ModelError, ConfigError: the recipe left no engine that runs and agrees with its golden outputs, or
            another engine has its name by now.
        EnvironmentProblem: the folder cannot be written.
    """
    manifest = draft / MANIFEST_NAME
    if not manifest.is_file():
        msg = f"{manifest}: expected the engine that the recipe made, got none; run it again"
        raise ModelError(msg)
    text = _renamed(manifest.read_text(encoding="utf-8"), terms)
    with drafted(root, "--out") as place:
        named = place / terms.name
        shutil.copytree(draft, named)
        (named / MANIFEST_NAME).write_text(text, encoding="utf-8")
        (named / "CARD.md").write_text(card, encoding="utf-8")
        check_engine(named)
        require_free(terms.name, root)
        return put([named], root)[0]


def _renamed(manifest: str, terms: Terms) -> str:
    """The text with other values under [engine]; a recipe writes one key a line."""
    values = {
        "name": terms.name,
        "licence": terms.licence,
        "data_terms": terms.data_terms,
        "commercial_use": terms.commercial_use,
    }
    head, section, rest = manifest.partition("[input]")
    for key, value in values.items():
        line = f"{key} = {json.dumps(value)}"  # JSON's strings and booleans are TOML's
        head = re.sub(rf"^{key} *=.*$", lambda _, line=line: line, head, flags=re.MULTILINE)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    return f"{head}{section}{rest}"
