"""What lies in engines/: manifest, model, card and golden answers that belong together."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

from guard.inference.manifest import read_manifest
from guard.inference.open import open_engine, open_twin
from guard.inference.parity import check_parity, check_twin

pytestmark = pytest.mark.model

ENGINES = Path(__file__).parents[2] / "engines"
EACH = pytest.mark.parametrize(
    "folder", sorted(path.parent for path in ENGINES.glob("*/engine.toml")), ids=lambda f: f.name
)
LARGEST_BYTES = 20 * 2**20


@EACH
def test_the_manifest_belongs_to_the_model(folder: Path) -> None:
    engine = read_manifest(folder).engine
    assert hashlib.sha256((folder / engine.model).read_bytes()).hexdigest() == engine.sha256
    assert engine.model_fp16 == "model.fp16.onnx"
    assert hashlib.sha256((folder / engine.model_fp16).read_bytes()).hexdigest() == engine.sha256_fp16


def test_all_models_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in ENGINES.glob("*/*.onnx")) <= LARGEST_BYTES


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
def test_the_twin_says_the_same_in_half_precision(folder: Path) -> None:
    twin = open_twin(folder)
    assert twin is not None
    try:
        check_twin(twin.engine, twin.manifest, folder / "golden.npz")
    finally:
        twin.engine.deactivate()
    assert (
        folder.joinpath("model.fp16.onnx").stat().st_size < 0.6 * folder.joinpath("model.onnx").stat().st_size
    )


@EACH
def test_the_twin_is_typed_for_tensorrt(folder: Path) -> None:
    graph = onnx.load(folder / "model.fp16.onnx")
    assert [opset.version for opset in graph.opset_import if opset.domain == ""] == [17]
    ends = (*graph.graph.input, *graph.graph.output)
    assert {end.type.tensor_type.elem_type for end in ends} == {onnx.TensorProto.FLOAT}
    assert {tensor.data_type for tensor in graph.graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert "BatchNormalization" not in {node.op_type for node in graph.graph.node}


@EACH
def test_the_calibration_rests_on_counted_pictures_of_held_out_people(folder: Path) -> None:
    calibration = read_manifest(folder).calibration
    size = calibration.weight.size_px
    assert sum(size.count) >= 990, "a thousand or more are drawn, --quick draws 300"
    assert (list(size.weight), size.weight[-1]) == (sorted(size.weight), 1.0)
    diagram = calibration.reliability
    assert diagram is not None
    assert diagram.people >= 20
    said, was = np.array(diagram.predicted), np.array(diagram.attack)
    assert np.average(np.abs(said - was), weights=diagram.count) == pytest.approx(diagram.error, abs=0.002)
    assert diagram.error < 0.1


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
