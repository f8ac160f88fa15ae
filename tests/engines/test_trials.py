"""From held-out crops to what engine.toml says, without a net."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.core.geometry import Box
from guard.faces.pictures import as_frame, face_luma, laplacian_variance
from guard.faces.quality import SHARPNESS_SIZE, at_one_exposure
from tests.support.faces_pictured import pictured_face

pytestmark = pytest.mark.unit

ENGINES = Path(__file__).parents[2] / "engines"
SIDE = 64


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    return importlib.import_module("_shared.trials")


def bright(face_px: float, rng: np.random.Generator) -> tuple[np.ndarray, bool, str]:
    """An attack is brighter than the rest; less and less so as the face gets small."""
    attack = bool(rng.random() < 0.5)
    grey = 110 + (20 if attack else 0) * min(1.0, face_px / 60) + rng.normal(0, 10)
    picture = np.clip(rng.normal(grey, 8, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    return picture, attack, f"person {rng.integers(30)}"


def brightness(pictures: np.ndarray) -> np.ndarray:
    return np.asarray((pictures.mean((1, 2, 3)) - 120) / 8)


def test_sizes_reach_from_the_smallest_to_the_largest_evenly_on_a_log_scale(trials: Any) -> None:
    held_out = trials.graded(400, 96.0, 3, bright)
    assert held_out.size_px.min() == pytest.approx(24, abs=1)
    assert held_out.size_px.max() == pytest.approx(96, abs=2)
    assert np.median(held_out.size_px) == pytest.approx(48, rel=0.1)
    assert held_out.pictures.shape == (400, SIDE, SIDE, 3)
    assert held_out.attack.dtype == bool


def test_the_same_seed_draws_the_same_crops(trials: Any) -> None:
    first, second = (trials.graded(20, 96.0, 3, bright) for _ in range(2))
    assert np.array_equal(first.pictures, second.pictures)
    assert list(first.group) == list(second.group)


@pytest.mark.parametrize(("face_px", "scale", "side"), [(96.0, 1.0, 96), (45.3, 1.6, 72), (5.0, 1.0, 20)])
def test_the_frame_of_a_face_is_even_and_never_tiny(
    trials: Any, face_px: float, scale: float, side: int
) -> None:
    assert trials.framed_px(face_px, scale) == side


def test_a_recipe_measures_a_face_as_the_product_does(trials: Any) -> None:
    face = pictured_face(128)
    frame = as_frame(face)
    luma = face_luma(frame, Box(24, 24, 104, 104), SHARPNESS_SIZE)
    light = float(luma.mean())
    expected = at_one_exposure(laplacian_variance(luma), light), light
    assert trials.measured(face, 1.6) == pytest.approx(expected, rel=0.02)


def test_a_net_that_guesses_small_faces_is_trusted_less_there(trials: Any) -> None:
    held_out = trials.graded(1200, 96.0, 3, bright)
    clips = [f"clip {index % 4}" for index in range(40)]
    plain, attacked = (held_out.pictures[held_out.attack == attack][:40] for attack in (False, True))
    in_call = trials.CallTrial("drawn", 64.0, plain, clips, attacked, clips)
    trial = trials.Trial("drawn", plain, attacked)
    found, lines = trials.report(brightness, held_out, [trial], [in_call], 1.0)
    small, large = found.curves["size_px"](np.array([26.0, 90.0]))
    assert small < 0.75 < large
    assert found.reliability.error < 0.1
    assert found.reliability.people == 32  # 30 drawn and every second clip
    assert found.most_change is None
    assert any(line.startswith("drawn: AUC") for line in lines)
    assert any(line.startswith("calls at drawn") for line in lines)


def test_a_score_that_hangs_on_the_rim_of_the_crop_is_found_out(trials: Any) -> None:
    held_out = trials.graded(900, 96.0, 3, bright)
    shaky = np.arange(900) % 5 == 0
    held_out.pictures[shaky, 0] = 255  # a rim that the tighter crop loses
    held_out.attack[shaky] = np.random.default_rng(1).random(shaky.sum()) < 0.5

    def with_rim(pictures: np.ndarray) -> np.ndarray:
        sign = np.where(np.random.default_rng(2).random(len(pictures)) < 0.5, 3.0, -3.0)
        return np.where(pictures[:, 0].mean((1, 2)) > 250, sign, brightness(pictures))

    found = trials.trust.fit(trials.records(with_rim, [held_out], 1.0))
    assert found.most_change is not None
    assert any(line.startswith("instability: of pictures") for line in found.told)
