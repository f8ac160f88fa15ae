"""What lies in engines/: manifest, model, card and golden answers that belong together."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from guard.inference.manifest import read_manifest
from guard.inference.open import open_engine
from guard.inference.parity import check_parity

pytestmark = pytest.mark.model

ENGINES = Path(__file__).parents[2] / "engines"
EACH = pytest.mark.parametrize(
    "folder", sorted(path.parent for path in ENGINES.glob("*/engine.toml")), ids=lambda f: f.name
)
LARGEST_BYTES = 10_000_000


@EACH
def test_the_manifest_belongs_to_the_model(folder: Path) -> None:
    engine = read_manifest(folder).engine
    model = (folder / engine.model).read_bytes()
    assert hashlib.sha256(model).hexdigest() == engine.sha256
    assert len(model) <= LARGEST_BYTES


@EACH
def test_weights_from_research_data_say_so(folder: Path) -> None:
    engine = read_manifest(folder).engine
    assert not engine.commercial_use
    assert "research use only" in engine.data_terms
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    for word in ("research use", "APCER", "BPCER", "AUC"):
        assert word in card


@EACH
def test_the_golden_answers_are_given_again(folder: Path) -> None:
    loaded = open_engine(folder.name, ENGINES)
    try:
        check_parity(loaded.engine, loaded.manifest, folder / "golden.npz")
    finally:
        loaded.engine.deactivate()


@EACH
def test_a_picture_is_judged_alike_alone_and_in_a_batch(folder: Path) -> None:
    loaded = open_engine(folder.name, ENGINES)
    try:
        with np.load(folder / "golden.npz") as kept:
            inputs = kept["inputs"]
        name, output = loaded.manifest.input.name, loaded.manifest.output.name
        together = loaded.engine.infer({name: inputs})[output].ravel()
        alone = [loaded.engine.infer({name: inputs[i : i + 1]})[output].item() for i in range(len(inputs))]
        assert together == pytest.approx(np.array(alone), abs=1e-3)
        assert np.ptp(together) > 0
    finally:
        loaded.engine.deactivate()
