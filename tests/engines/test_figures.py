import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.unit

ENGINES = Path(__file__).parents[2] / "engines"


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    return importlib.import_module("_shared.figures")


def test_auc_counts_pairs_and_halves_ties(figures: Any) -> None:
    assert figures.auc(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 1.0
    assert figures.auc(np.array([0.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx((1 + 0 + 1 + 0.5) / 4)


def test_logits_of_different_fits_are_not_compared(figures: Any) -> None:
    scores, attack = np.array([0.0, 1.0, 10.0, 11.0]), np.array([False, True, False, True])
    assert figures.fold_auc(scores, attack, np.array([0, 0, 1, 1])) == 1.0
    assert figures.fold_auc(scores, attack, np.array([0, 0, 1, 2])) == 1.0
    assert figures.fold_auc(scores, attack, np.zeros(4, int)) == 0.75
    assert np.isnan(figures.fold_auc(scores, attack, np.arange(4)))


def test_equal_error_rate_of_apart_and_of_equal_scores(figures: Any) -> None:
    assert figures.equal_error_rate(np.array([0.0, 1.0]), np.array([2.0, 3.0])) == 0.0
    same = np.arange(100.0)
    assert figures.equal_error_rate(same, same) == pytest.approx(0.5, abs=0.02)


def test_calibration_undoes_a_known_slope_and_bias(figures: Any) -> None:
    rng = np.random.default_rng(1)
    odds = rng.uniform(-4, 4, 40_000)
    attack = rng.random(odds.size) < 1 / (1 + np.exp(-odds))
    logits = (odds + 1.0) / 0.5
    found = figures.calibrate(logits[~attack], logits[attack])
    assert found.slope == pytest.approx(0.5, rel=0.1)
    assert found.bias == pytest.approx(-1.0, abs=0.15)


def test_calibration_of_separable_scores_stays_finite(figures: Any) -> None:
    found = figures.calibrate(np.array([-5.0, -4.0]), np.array([4.0, 5.0]))
    assert np.isfinite([found.slope, found.bias]).all()
    assert found.slope > 0


def test_rates_stand_on_the_calibrated_probability(figures: Any) -> None:
    by = figures.Calibration(1.0, -2.0)
    assert figures.rates(np.array([1.0, 3.0]), np.array([1.0, 3.0]), by) == (0.5, 0.5)


def test_clip_means_keep_the_order_of_the_clips(figures: Any) -> None:
    means = figures.clip_means(np.array([0.0, 0.0, 40.0]), ["b", "b", "a"], figures.Calibration())
    assert list(means) == ["b", "a"]
    assert means == {"b": 0.5, "a": pytest.approx(1.0)}
