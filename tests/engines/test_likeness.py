import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.faces import drawn_face, drawn_points

pytestmark = pytest.mark.unit

ENGINES = Path(__file__).parents[2] / "engines"


@pytest.fixture
def likeness(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    return importlib.import_module("_shared.likeness")


def test_the_same_face_darker_and_elsewhere_is_alike_and_another_is_not(likeness: Any) -> None:
    rng = np.random.default_rng(1)
    face = drawn_face((160, 160), (70, 70), 90, (200, 160, 140))
    other = rng.integers(0, 256, face.shape).astype(np.uint8)
    moved = (np.roll(face, (12, 8), (0, 1)) * 0.6).astype(np.uint8)
    points = drawn_points((70, 70), 90)
    cosines = likeness.likenesses(
        np.stack([face, moved, other]), np.stack([points, points + np.array((8, 12)), points])
    )
    assert np.diag(cosines) == pytest.approx(1, abs=1e-3)
    assert cosines[0, 1] > 0.95
    assert abs(cosines[0, 2]) < 0.5


def test_near_duplicates_share_a_group_and_the_rest_join_the_likest(likeness: Any) -> None:
    cosines = np.full((15, 15), 0.1, np.float32)
    cosines[:6, :6] = cosines[6:13, 6:13] = 0.95
    cosines[13, :6] = cosines[:6, 13] = 0.6
    cosines[14, 6:13] = cosines[6:13, 14] = 0.6
    np.fill_diagonal(cosines, 1)
    found = likeness.groups(cosines)
    assert len(set(found[:6])) == 1
    assert len(set(found[6:13])) == 1
    assert found[0] != found[6]
    assert found[13] == found[0]
    assert found[14] == found[6]


def test_where_nobody_is_alike_each_is_a_group(likeness: Any) -> None:
    assert len(set(likeness.groups(np.eye(5, dtype=np.float32)))) == 5
