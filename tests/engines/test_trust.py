"""How far a net may be believed: curves, diagram and instability from drawn records."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.unit

ENGINES = Path(__file__).parents[2] / "engines"


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    return importlib.import_module("_shared.trust")


def drawn(trust: Any, rows: int = 4000, seed: int = 1, **altered: Any) -> Any:
    """A net whose log-odds are 2 x logit + 1 times a factor that rises with the size of the face."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(20, 140, rows)
    logit = rng.normal(-0.5, 1.5, rows)
    factor = np.clip((size - 40) / 60, 0, 1)
    attack = rng.random(rows) < 1 / (1 + np.exp(-factor * (2 * logit + 1)))
    columns = {
        "logit": logit,
        "attack": attack,
        "group": rng.integers(0, 80, rows).astype(str),
        "measured": {
            "size_px": size,
            "sharpness": rng.uniform(5, 200, rows),
            "luma": rng.uniform(50, 200, rows),
        },
        "nudged": logit + rng.normal(0, 0.02, rows),
    }
    return trust.Records(**(columns | altered))


def test_the_curve_finds_the_dependence_that_was_made(trust: Any) -> None:
    found = trust.fit(drawn(trust))
    assert set(found.curves) == {"size_px"}
    weights = found.curves["size_px"](np.array([25.0, 40.0, 70.0, 100.0, 130.0]))
    assert weights == pytest.approx([0.0, 0.1, 0.5, 1.0, 1.0], abs=0.15)
    assert found.calibration.slope == pytest.approx(2.0, rel=0.15)
    assert found.calibration.bias == pytest.approx(1.0, abs=0.3)


def test_only_what_matters_gets_a_curve(trust: Any) -> None:
    plain = drawn(trust)
    factor = np.clip(plain.measured["sharpness"] / 100, 0, 1)
    rng = np.random.default_rng(2)
    attack = rng.random(len(plain)) < 1 / (1 + np.exp(-factor * (2 * plain.logit + 1)))
    found = trust.fit(drawn(trust, attack=attack))
    assert "sharpness" in found.curves
    assert "luma" not in found.curves
    assert found.curves["sharpness"](np.array([20.0, 180.0])) == pytest.approx([0.2, 1.0], abs=0.2)


@pytest.mark.parametrize("seed", range(4))
def test_curves_never_fall_and_end_at_one(trust: Any, seed: int) -> None:
    for curve in trust.fit(drawn(trust, rows=300, seed=seed)).curves.values():
        assert list(curve.at) == sorted(set(curve.at))
        assert list(curve.weight) == sorted(curve.weight)
        assert curve.weight[-1] == 1.0
        assert len(curve.at) == len(curve.weight) == len(curve.count)


def test_every_picture_is_counted_and_no_size_beyond_the_seen_is_believed(trust: Any) -> None:
    records = drawn(trust)
    curve = trust.fit(records).curves["size_px"]
    assert sum(curve.count) == pytest.approx(len(records), abs=len(curve.at))
    assert (curve.weight[0], curve.count[0]) == (0.0, 0)
    assert curve.at[0] < records.measured["size_px"].min()


def test_the_diagram_of_a_calibrated_net_lies_on_the_diagonal(trust: Any) -> None:
    found = trust.fit(drawn(trust, rows=8_000)).reliability
    assert found.error < 0.04
    assert found.people == 80
    assert sum(found.count) == 8_000
    busy = np.array(found.count) > 200
    assert np.array(found.attack)[busy] == pytest.approx(np.array(found.predicted)[busy], abs=0.07)


def test_the_diagram_tells_what_is_off(trust: Any) -> None:
    records = drawn(trust)
    said = np.where(records.attack, 0.05, 0.95)
    assert trust.reliability(said, records).error == pytest.approx(0.95)


def test_labels_without_any_pattern_are_given_no_confidence(trust: Any) -> None:
    rng = np.random.default_rng(3)
    found = trust.fit(drawn(trust, attack=rng.random(4000) < 0.5))
    records = drawn(trust, seed=4)
    assert np.abs(found.log_odds(records)).mean() < 0.3


@pytest.mark.parametrize(
    "altered",
    [
        {"measured": {"size_px": np.full(60, 90.0), "sharpness": np.ones(60), "luma": np.ones(60)}},
        {"group": np.array(["one"] * 60)},
        {"logit": np.zeros(60), "nudged": np.zeros(60)},
        {"logit": np.linspace(-9, 9, 60), "attack": np.arange(60) > 29, "nudged": np.linspace(-9, 9, 60)},
    ],
    ids=["one size", "one person", "a silent net", "a perfect net"],
)
def test_poor_material_gives_a_finite_answer(trust: Any, altered: dict[str, Any]) -> None:
    found = trust.fit(drawn(trust, rows=60, **altered))
    assert np.isfinite([found.calibration.slope, found.calibration.bias, found.reliability.error]).all()
    assert all(np.isfinite(curve.weight).all() for curve in found.curves.values())
    assert found.calibration.slope > 0
