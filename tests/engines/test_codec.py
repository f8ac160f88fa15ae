"""Round trips of one crop through the codecs of a call."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.core.types import Picture
from tests.support.faces import drawn_face

pytestmark = pytest.mark.media

SEEDS = range(10)


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "engines"))
    return importlib.import_module("_shared.codec")


def face() -> Picture:
    return drawn_face((96, 96), (48, 48), 70, (200, 160, 140))


def loss(coded: Picture) -> float:
    return float(np.abs(coded.astype(int) - face()).mean())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", ["recode", "recode_moving"])
def test_the_picture_comes_back_in_its_place_and_not_quite_itself(codec: Any, how: str, seed: int) -> None:
    coded, again = (getattr(codec, how)(face(), np.random.default_rng(seed)) for _ in range(2))
    assert (coded.shape, coded.dtype) == ((96, 96, 3), np.uint8)
    assert 0.2 < loss(coded) < 6
    assert np.array_equal(coded, again), "a seed gives the same picture each time"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_moves_ends_where_the_picture_is(codec: Any, seed: int) -> None:
    seen = codec.approaching(face(), np.random.default_rng(seed))
    assert 2 <= len(seen) <= 6
    away = [loss(picture) for picture in seen]
    assert away == sorted(away, reverse=True), "each comes nearer to the last"
    assert away[0] > 0
    assert away[-1] == 0
