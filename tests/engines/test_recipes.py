"""Recipes import the training variants of attacks, never the test variants or the demo's material."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.cli.extras import ALONE
from guard.cli.train.card import figures_file

pytestmark = pytest.mark.unit

ENGINES = Path(__file__).parents[2] / "engines"
RECIPES = sorted(ENGINES.glob("*/recipe.py"))
SOURCES = [*RECIPES, *sorted((ENGINES / "_shared").glob("*.py"))]
ALLOWED = ("guard.core", "guard.simulate.training", "guard.faces.pictures", "guard.faces.quality")
"""The two of ``guard.faces`` are pure: a recipe measures a face as the product does."""
NEVER = ("skvideo", "skimage", "guard.simulate.testing")


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(source: str) -> list[str]:
    return [
        name
        for name in imported(source)
        if name.startswith(NEVER)
        or (name.startswith("guard.") and not name.startswith(ALLOWED))
        or name == "guard"
    ]


def test_there_are_recipes() -> None:
    assert {path.parent.name for path in RECIPES} >= {"face-manipulation", "face-presentation"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_recipe_learns_from_training_variants_only(path: Path) -> None:
    assert forbidden(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "from guard.simulate.testing import warp",
        "from guard.simulate import testing",
        "import guard.simulate.testing.warp",
        "import guard",
        "from guard.media import decode",
        "import skvideo.datasets",
        "from skimage import data",
    ],
)
def test_the_check_sees_what_it_forbids(line: str) -> None:
    assert forbidden(line)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_a_recipe_names_its_settings(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    for option in ("--data", "--out", "--quick"):
        assert f'"{option}"' in source


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_a_recipe_leaves_its_figures_where_they_are_looked_for(path: Path) -> None:
    source, engine = path.read_text(encoding="utf-8"), path.parent.name
    (name,) = re.findall(r'\(work / f?"(.+)"\)\.write_text\(', source)
    if "{arguments.name}" in name:
        assert f'name="{engine}"' in source
        assert 'add_argument("--name", default=CARD.name' in source
    work = Path("work")
    assert work / name.replace("{arguments.name}", engine) == figures_file(work, engine)


@pytest.mark.parametrize("file", ["README.md", "_shared/nets.py"])
def test_what_recipes_start_from_is_the_same_everywhere(file: str) -> None:
    ((name, version),) = ALONE["train"].items()
    text = (ENGINES / file).read_text(encoding="utf-8")
    assert f"pip install --no-deps {name}=={version}" in text
