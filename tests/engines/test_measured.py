"""A recipe measures the crops that it calibrates on as the product measures a face of a call."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.config.settings import FaceSettings
from guard.core.geometry import bounding_box
from guard.core.types import FaceView, Picture
from guard.faces.landmarker import load_model
from guard.faces.pictures import as_frame
from guard.faces.quality import inside_share
from guard.faces.tracker import FaceTracker
from guard.simulate.training.degrade import Call
from tests.support.faces_pictured import hung, pictured_face, wall

pytestmark = pytest.mark.model

pytest.importorskip("torch", reason="recipes need the train extra")
ENGINES = Path(__file__).parents[2] / "engines"
DRAWS = 32


@pytest.fixture
def recipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    name = f"measured_{request.param}"
    spec = importlib.util.spec_from_file_location(name, ENGINES / f"face-{request.param}" / "recipe.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "Call", lambda _, low, high: Call(0.0, low, high))
    return module


@pytest.fixture(scope="module")
def tracker() -> Iterator[FaceTracker]:
    settings = FaceSettings()
    with FaceTracker(settings, load_model(settings), following=False) as made:
        yield made


def canvas_of(view: FaceView, scale: float, side: int) -> tuple[Picture, np.ndarray]:
    """The face as a recipe keeps it, and its landmarks there."""
    points = view.points_px()
    square = bounding_box(points).square(scale)
    moved = (points - np.array([square.x1, square.y1], np.float32)) * (side / square.width)
    return view.crop(scale, side), moved


def person(recipe: Any, view: FaceView, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """The arguments of ``unseen_face`` for a corpus of this one face, which nothing is done to."""
    if hasattr(recipe, "PAIRS"):
        picture, points = canvas_of(view, recipe.CANVAS_SCALE, recipe.CANVAS_PX)
        pair = sys.modules["_shared.pairs"].Pair(
            picture, picture, np.zeros(picture.shape[:2], np.float32), points, "ada"
        )
        monkeypatch.setitem(recipe.PAIRS, "dfdc", lambda *_: pair)
        return None, None, ["dfdc"]
    picture, points = canvas_of(view, recipe.CANVAS_SCALE, recipe.CANVAS_PX)
    shot = recipe.present.Shot(picture, points, np.zeros(picture.shape[:2], np.float32))
    for make in ("bona_fide", "attacked"):
        monkeypatch.setattr(recipe, make, lambda *_: shot)
    ada = recipe.Person(picture, points, "ada")
    return (type("One", (), {"person": lambda *_, **__: ada})(),)


@pytest.mark.parametrize(
    ("recipe", "face_px"),
    [("manipulation", 68), ("manipulation", 120), ("presentation", 44), ("presentation", 68)],
    indirect=["recipe"],
)
def test_sharpness_light_and_size_are_those_of_the_product(
    recipe: Any, tracker: FaceTracker, face_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (view,) = tracker.observe(as_frame(hung(wall(1280, 720), pictured_face(512), 384, 104)), 0.0)
    corpus, rng = person(recipe, view, monkeypatch), np.random.default_rng(3)
    ratios = []
    for number in range(DRAWS):
        drawn = recipe.unseen_face(*corpus, face_px, rng)
        frame = as_frame(hung(wall(320, 240), drawn.crop, 80, 30))
        faces = tracker.observe(frame, 100.0 * (number + 1))
        if len(faces) == 1 and inside_share(drawn.face, *drawn.crop.shape[:2]) == 1:
            seen = faces[0].quality
            product = (seen.size_px, seen.sharpness, seen.luma)
            ratios.append(np.divide(recipe.trials.measured(drawn), product))
    assert len(ratios) >= DRAWS / 8, "faces that are whole, and found again"
    assert np.median(ratios, axis=0) == pytest.approx(1.0, abs=0.1)
