"""What the manipulation recipe shows a net: pairs through one call, masks where the attack is seen."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.core.errors import ModelError

pytestmark = pytest.mark.unit

pytest.importorskip("torch", reason="the recipe needs the train extra")
ENGINES = Path(__file__).parents[2] / "engines"
SIDE = 224


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    spec = importlib.util.spec_from_file_location(
        "recipe_of_manipulation", ENGINES / "face-manipulation" / "recipe.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(8))
def test_a_mask_lies_where_the_attack_is_shown(recipe: Any, seed: int) -> None:
    canvas = np.full((SIDE, SIDE, 3), 90, np.uint8)
    mask = np.zeros((SIDE, SIDE), np.float32)
    canvas[60:110, 120:180] = 240
    mask[60:110, 120:180] = 1
    seen = recipe.shown(canvas, recipe.Call(0.0), np.random.default_rng(seed), 128)
    cells = recipe.cells(mask, np.random.default_rng(seed), 128)
    bright = seen.mean(axis=2).reshape(8, 16, 8, 16).mean(axis=(1, 3))
    assert np.corrcoef(bright.ravel(), cells.ravel())[0, 1] > 0.98


def test_a_mask_that_nobody_knows_stays_unknown(recipe: Any) -> None:
    nowhere = np.full((SIDE, SIDE), np.nan, np.float32)
    assert np.isnan(recipe.cells(nowhere, np.random.default_rng(1), 160)).all()


def test_a_batch_is_of_the_families_that_there_are(recipe: Any) -> None:
    some, none = np.arange(3), np.arange(0)
    full = recipe.Pool(some, some, some, some)
    assert recipe.mixed(recipe.MIX, full, set()).count("dfdc") == recipe.MIX["dfdc"]
    own = recipe.mixed(recipe.MIX, recipe.Pool(some, none, some, none), set())
    assert set(own) == {"self-blends", "landmark-swaps"}
    assert len(own) == sum(recipe.MIX.values())
    assert "self-blends" not in recipe.mixed(recipe.MIX, full, {"self-blends"})


@pytest.mark.parametrize("phase", [1, 2])
def test_both_pictures_of_a_pair_go_through_one_call(
    recipe: Any, monkeypatch: pytest.MonkeyPatch, phase: int
) -> None:
    rng = np.random.default_rng(4)
    picture = rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    pair = sys.modules["_shared.pairs"].Pair(
        picture, picture, np.zeros((SIDE, SIDE), np.float32), np.zeros((3, 2)), "ada"
    )
    monkeypatch.setitem(recipe.PAIRS, "dfdc", lambda *_: pair)
    batch = recipe.training_batch(None, None, ["dfdc", "dfdc"], recipe.PHASES[phase], 900)
    assert np.array_equal(batch.pictures[0], batch.pictures[1])
    assert not np.array_equal(batch.pictures[0], batch.pictures[2])
    assert batch.labels.tolist() == [0, 1, 0, 1]


def test_only_the_last_phase_sees_faces_that_move(recipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    codecs: list[object] = []
    monkeypatch.setattr(recipe, "degrade", lambda *_, **__: codecs.append(_[-1]))
    for phase in recipe.PHASES:
        recipe.shown(
            np.zeros((SIDE, SIDE, 3), np.uint8), recipe.Call(0.5), np.random.default_rng(1), live=phase.live
        )
    still, moving = recipe.codec.recode, recipe.codec.recode_moving
    assert codecs == [still, still, moving]


def test_leaving_everything_out_is_refused(recipe: Any) -> None:
    some, none = np.arange(3), np.arange(0)
    with pytest.raises(ModelError, match="left out"):
        recipe.mixed(recipe.MIX, recipe.Pool(some, none, some, none), {"self-blends", "landmark-swaps"})
