"""Simple measures of a crop, and their reading, fitted on other groups."""

import numpy as np
import pytest

from bench.judging.figures import auc_of
from engines._shared.shortcuts import MEASURES, cross_fitted, measured

pytestmark = pytest.mark.unit


def crop(colour: tuple[int, int, int], noise: float = 0.0) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(0, noise, (32, 32, 1)) + np.array(colour)
    return np.asarray(np.clip(drawn, 0, 255), np.uint8)


def test_each_measure_follows_what_it_is_called():
    plain = dict(zip(MEASURES, measured(crop((200, 100, 50))), strict=True))
    assert (plain["red"], plain["green"], plain["blue"]) == (200, 100, 50)
    assert plain["spread"] == plain["log sharpness"] == 0
    assert plain["saturation"] == pytest.approx(255 * 150 / 200, abs=1)
    grey, rough = (dict(zip(MEASURES, measured(crop((120, 120, 120), n)), strict=True)) for n in (0, 20))
    assert grey["saturation"] == 0
    assert rough["spread"] == pytest.approx(20, rel=0.1)
    assert rough["log sharpness"] > 5


def test_a_brightness_shortcut_is_found_on_people_who_were_not_fitted():
    rng = np.random.default_rng(1)
    attack = np.arange(200) % 2 == 0
    rows = rng.normal(0, 1, (200, 5))
    rows[:, 2] += 2.5 * attack
    found, folds = cross_fitted(rows, attack, [str(n) for n in range(200)])
    assert (auc_of(found, attack, folds) or 0) > 0.9


def test_what_only_marks_persons_helps_nothing_on_others():
    rng = np.random.default_rng(2)
    person = np.repeat(np.arange(150), 4)
    attack = rng.permutation(150)[person] % 2 == 0
    rows = rng.normal(0, 1, (150, 40))[person] + rng.normal(0, 0.01, (600, 40))
    found, folds = cross_fitted(rows, attack, [str(n) for n in person])
    assert 0.35 < (auc_of(found, attack, folds) or 0) < 0.65


def test_one_class_cannot_be_read():
    found, _ = cross_fitted(np.ones((10, 2)), np.zeros(10, bool), [str(n) for n in range(10)])
    assert np.isnan(found).all()
