"""What a recipe writes can be opened, and says what was found."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.core.types import Quality
from guard.inference.manifest import read_manifest
from guard.inference.open import open_engine, open_twin
from guard.inference.parity import check_parity, check_twin

pytestmark = pytest.mark.model

ENGINES = Path(__file__).parents[2] / "engines"
torch = pytest.importorskip("torch", reason="recipes need the extra `train`")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    return lambda name: importlib.import_module(f"_shared.{name}")


def found(shared: Any, most_change: float | None) -> Any:
    trust, figures = shared("trust"), shared("figures")
    curve = trust.Curve((18.0, 24.0, 60.5), (0.0, 0.25, 1.0), (0, 7, 13))
    diagram = trust.Reliability((0.1, 0.9), (0.12, 0.85), (10, 10), 0.035, 5)
    return trust.Trust(figures.Calibration(1.5, -0.25), {"size_px": curve}, diagram, most_change)


@pytest.mark.parametrize("most_change", [None, 0.3])
def test_a_recipe_leaves_an_engine_that_opens(shared: Any, tmp_path: Path, most_change: float | None) -> None:
    artefact = shared("artefact")
    card = artefact.Card("tiny", "1", "manipulation", "none", "drawn", size=32, scale=1.25)
    net = shared("nets").MobileNetV2(stages=2, top=32)
    folder = tmp_path / "tiny"
    artefact.write(net, card, found(shared, most_change), folder)
    assert {path.name for path in folder.iterdir()} == {
        "engine.toml",
        "golden.npz",
        "model.fp16.onnx",
        "model.onnx",
    }
    loaded, twin = open_engine("tiny", tmp_path), open_twin(tmp_path / "tiny")
    assert twin is not None
    check_parity(loaded.engine, loaded.manifest, folder / "golden.npz")
    check_twin(twin.engine, loaded.manifest, folder / "golden.npz")
    pictures = np.full((3, 32, 32, 3), 90, np.uint8)
    direct = shared("fitting").logits(net, pictures)
    assert artefact.judge(folder / "model.onnx")(pictures) == pytest.approx(direct, abs=1e-4)


def test_engine_toml_says_what_was_found(shared: Any, tmp_path: Path) -> None:
    artefact = shared("artefact")
    card = artefact.Card("tiny", "1", "presentation", "none", "drawn", size=32, scale=1.25)
    folder = tmp_path / "tiny"
    artefact.write(shared("nets").MobileNetV2(stages=2, top=32), card, found(shared, 0.3), folder)
    calibration = read_manifest(folder).calibration
    assert (calibration.slope, calibration.bias) == (1.5, -0.25)
    assert calibration.weight.size_px.at == (18.0, 24.0, 60.5)
    assert calibration.weight.size_px.count == (0, 7, 13)
    assert calibration.trust(Quality(24.0, 50.0, 100.0, 0.0, 0.0))[0] == pytest.approx(0.25)
    assert calibration.reliability is not None
    assert (calibration.reliability.error, calibration.reliability.people) == (0.035, 5)
    assert calibration.instability is not None
    assert (calibration.instability.every, calibration.instability.most) == (8, 0.3)
    artefact.describe(card, found(shared, None), folder)
    assert read_manifest(folder).calibration.instability is None
