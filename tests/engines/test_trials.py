"""From held-out crops to what engine.toml says, without a net."""

import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
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
CARD = SimpleNamespace(size=SIDE, scale=1.0)

Draw = Callable[[float, np.random.Generator], Any]


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    return importlib.import_module("_shared.trials")


@pytest.fixture
def bright(trials: Any) -> Draw:
    """Draws crops in which an attack is brighter than the rest; less and less so as the face gets small."""

    def draw(face_px: float, rng: np.random.Generator) -> Any:
        attack = bool(rng.random() < 0.5)
        grey = 110 + (20 if attack else 0) * min(1.0, face_px / 60) + rng.normal(0, 10)
        side = trials.framed_px(face_px, CARD.scale)
        crop = np.clip(rng.normal(grey, 8, (side, side, 3)), 0, 255).astype(np.uint8)
        face = Box(0.1 * side, 0, 0.9 * side, side)
        return trials.Drawn(crop, face, attack, f"person {rng.integers(30)}")

    return draw


def brightness(pictures: np.ndarray) -> np.ndarray:
    return np.asarray((pictures.mean((1, 2, 3)) - 120) / 8)


def test_sizes_reach_from_the_smallest_to_the_largest_evenly_on_a_log_scale(
    trials: Any, bright: Draw
) -> None:
    sides = np.array([one.crop.shape[0] for one in trials.graded(400, 96.0, 3, bright)])
    assert sides.min() == pytest.approx(24, abs=1)
    assert sides.max() == pytest.approx(96, abs=2)
    assert np.median(sides) == pytest.approx(48, rel=0.1)


def test_the_same_seed_draws_the_same_crops(trials: Any, bright: Draw) -> None:
    first, second = (trials.graded(20, 96.0, 3, bright) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.crop, other.crop)
        assert (one.attack, one.group) == (other.attack, other.group)


@pytest.mark.parametrize(("face_px", "scale", "side"), [(96.0, 1.0, 96), (45.3, 1.6, 72), (5.0, 1.0, 20)])
def test_the_frame_of_a_face_is_even_and_never_tiny(
    trials: Any, face_px: float, scale: float, side: int
) -> None:
    assert trials.framed_px(face_px, scale) == side


@pytest.mark.parametrize(("wide", "tall"), [(64, 80), (80, 80), (80, 60)])
def test_sharpness_and_light_are_those_within_the_landmarks_box(trials: Any, wide: int, tall: int) -> None:
    face = pictured_face(128)
    box = Box(64 - wide / 2, 64 - tall / 2, 64 + wide / 2, 64 + tall / 2)
    luma = face_luma(as_frame(face), box, SHARPNESS_SIZE)
    light = float(luma.mean())
    expected = 80, at_one_exposure(laplacian_variance(luma), light), light
    assert trials.measured(trials.Drawn(face, box, attack=False, group="ada")) == pytest.approx(expected)


@pytest.mark.usefixtures("trials")
@pytest.mark.parametrize("flip", [False, True])
def test_a_face_is_found_again_in_what_a_frame_shows(flip: bool) -> None:  # noqa: FBT001 -- a case
    faces = importlib.import_module("_shared.faces")
    canvas = np.zeros((200, 200, 3), np.uint8)
    canvas[80:140, 70:110] = 255
    corners = np.array([(70, 80, 0), (110, 140, 0)])
    shown = faces.frame(canvas, 90, 0.8, (0.04, -0.03), flip=flip)
    box = faces.face_within(corners, faces.window(200, 0.8, (0.04, -0.03)), 90, flip=flip)
    rows, columns = np.nonzero(shown[..., 0] > 127)
    found = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert tuple(box) == pytest.approx(found, abs=1)


def test_a_crop_is_enlarged_for_the_net_and_its_tighter_look_comes_from_the_same_pixels(trials: Any) -> None:
    crop = pictured_face(100)
    plain, tighter = trials.seen(crop, 128), trials.seen(crop, 128, trials.trust.NUDGE)
    inner = trials.seen(np.ascontiguousarray(crop[2:98, 2:98]), 128)
    assert plain.shape == (128, 128, 3)
    assert np.abs(tighter.astype(int) - inner).max() <= 1
    assert np.abs(tighter.astype(int) - plain).mean() > 2


def test_a_net_that_guesses_small_faces_is_trusted_less_there(trials: Any, bright: Draw) -> None:
    held_out = trials.graded(1200, 96.0, 3, bright)
    clips = [f"clip {index % 4}" for index in range(40)]
    plain, attacked = (
        np.stack([trials.seen(one.crop, SIDE) for one in held_out if one.attack == attack][:40])
        for attack in (False, True)
    )
    in_call = trials.CallTrial("drawn", 64.0, plain, clips, attacked, clips)
    trial = trials.Trial("drawn", plain, attacked)
    found, lines = trials.report(brightness, held_out, [trial], [in_call], CARD)
    small, large = found.curves["size_px"](np.array([26.0, 90.0]))
    assert small < 0.75 < large
    assert found.reliability.error < 0.1
    assert found.reliability.people == 30, "no clip is calibrated on"
    assert found.most_change is None
    drawn = next(index for index, line in enumerate(lines) if line.startswith("drawn: AUC"))
    assert "other crops of the same people" in lines[drawn - 1], "what APCER and BPCER rest on is told above"
    assert any("by a fit on the others" in line for line in lines), "the diagram's people are not their own"
    assert any(line.startswith("calls at drawn") for line in lines)


def lit(grey: float, colour: tuple[float, float, float], seed: int, count: int = 60) -> np.ndarray:
    """Rough crops whose mean brightness varies by 12 steps."""
    rng = np.random.default_rng(seed)
    light = rng.normal(grey, 12, (count, 1, 1, 1)) + rng.normal(0, 10, (count, 24, 24, 3))
    return np.asarray(np.clip(light + np.array(colour), 0, 255), np.uint8)


def test_what_simple_measures_tell_alone_stands_beside_each_set(trials: Any) -> None:
    plain = lit(120, (0, 0, 0), 1)
    sets = [
        trials.Trial("nothing differs", plain, lit(120, (0, 0, 0), 2)),
        trials.Trial("a cast", plain, lit(120, (8, 0, -8), 3, count=37)),
    ]
    blind, seen = (
        float(re.search(r"AUC (\S+),", line)[1])  # type: ignore[index]  # none is a failure
        for line in trials.baseline(sets)
    )
    assert 0.3 < blind < 0.7
    assert seen > 0.95


def test_a_set_too_small_to_read_has_no_baseline(trials: Any) -> None:
    one = lit(120, (0, 0, 0), 1, count=1)
    (line,) = trials.baseline([trials.Trial("tiny", one, one)])
    assert line.startswith("simple measures on tiny: AUC nan")


def rimmed(drawn: Any, rng: np.random.Generator) -> Any:
    """With a rim that the tighter crop loses, and a label that nothing tells."""
    crop = drawn.crop.copy()
    crop[0] = 255
    return replace(drawn, crop=crop, attack=bool(rng.random() < 0.5))


def test_a_score_that_hangs_on_the_rim_of_the_crop_is_found_out(trials: Any, bright: Draw) -> None:
    rng = np.random.default_rng(1)

    def draw(face_px: float, draws: np.random.Generator) -> Any:
        drawn = bright(max(face_px, 64), draws)
        return rimmed(drawn, rng) if rng.random() < 0.2 else drawn

    def with_rim(pictures: np.ndarray) -> np.ndarray:
        sign = np.where(np.random.default_rng(2).random(len(pictures)) < 0.5, 3.0, -3.0)
        top, below = pictures[:, 0].mean((1, 2)), pictures[:, 4:].mean((1, 2, 3))
        return np.where(top > below + 25, sign, brightness(pictures))

    held_out = trials.graded(900, 96.0, 3, draw)
    found = trials.trust.fit(trials.records(with_rim, held_out, CARD))
    assert found.most_change is not None
    assert any(line.startswith("instability: of pictures") for line in found.told)
