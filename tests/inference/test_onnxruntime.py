import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from guard.core.errors import ModelError, ShapeError
from guard.inference.onnxruntime import OnnxRuntimeEngine
from tests.support.models import SIDE, write_model

pytestmark = pytest.mark.model


@pytest.fixture
def engine(tmp_path: Path) -> OnnxRuntimeEngine:
    sha256 = write_model(tmp_path / "model.onnx")
    engine = OnnxRuntimeEngine(tmp_path / "model.onnx", sha256)
    engine.activate()
    return engine


def batch(n: int, value: float = 0.0) -> np.ndarray:
    return np.full((n, 3, SIDE, SIDE), value, np.float32)


def test_infers_batches_of_any_length(engine: OnnxRuntimeEngine) -> None:
    assert dict(engine.inputs()) == {"pixels": (None, 3, SIDE, SIDE)}
    for n in (1, 4):
        output = engine.infer({"pixels": batch(n, 1.5)})["logit"]
        assert output.dtype == np.float32
        assert output.tolist() == pytest.approx([1.5] * n)


def test_outputs_belong_to_the_caller(engine: OnnxRuntimeEngine) -> None:
    first = engine.infer({"pixels": batch(1, 1.0)})["logit"]
    engine.infer({"pixels": batch(1, 9.0)})
    assert first.tolist() == [1.0]
    first[0] = 5.0  # writable


def test_missing_file_is_named_with_its_digest(tmp_path: Path) -> None:
    engine = OnnxRuntimeEngine(tmp_path / "model.onnx", "ab" * 32)
    with pytest.raises(ModelError) as caught:
        engine.activate()
    assert str(tmp_path / "model.onnx") in str(caught.value)
    assert "ab" * 32 in str(caught.value)


def test_altered_file_is_refused_with_both_digests(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    sha256 = write_model(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        OnnxRuntimeEngine(path, sha256).activate()
    assert sha256 in str(caught.value)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)
    assert "recipe" in str(caught.value)


def test_file_that_is_no_model_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(ModelError, match="expected a model"):
        OnnxRuntimeEngine(path, hashlib.sha256(b"no graph").hexdigest()).activate()


def test_model_with_other_input_dtype_is_refused(tmp_path: Path) -> None:
    sha256 = write_model(tmp_path / "model.onnx", dtype=TensorProto.DOUBLE)
    with pytest.raises(ModelError, match=r"expected tensor\(float\)"):
        OnnxRuntimeEngine(tmp_path / "model.onnx", sha256).activate()


@pytest.mark.parametrize(
    ("feeds", "told"),
    [
        ({"picture": batch(1)}, r"expected inputs \['pixels'\], got \['picture'\]"),
        ({"pixels": batch(1).astype(np.float64)}, "got float64"),
        ({"pixels": batch(1)[:, :2]}, r"expected float32 \(any, 3, 8, 8\), got float32 \(1, 2, 8, 8\)"),
        ({"pixels": batch(1)[0]}, r"got float32 \(3, 8, 8\)"),
        ({"pixels": batch(0)}, r"got float32 \(0, 3, 8, 8\)"),
    ],
)
def test_wrong_feeds_are_named(engine: OnnxRuntimeEngine, feeds: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(ShapeError, match=told):
        engine.infer(feeds)


def test_life_cycle(engine: OnnxRuntimeEngine) -> None:
    engine.activate()  # once more is harmless
    engine.deactivate()
    engine.deactivate()
    with pytest.raises(ModelError, match="activate"):
        engine.infer({"pixels": batch(1)})
    engine.activate()
    assert engine.infer({"pixels": batch(1)})["logit"].tolist() == [0.0]


def test_several_threads_may_share_an_engine(engine: OnnxRuntimeEngine) -> None:
    wrong: list[float] = []

    def work(value: float) -> None:
        outputs = [engine.infer({"pixels": batch(1, value)})["logit"][0] for _ in range(100)]
        wrong.extend(output for output in outputs if output != pytest.approx(value))

    threads = [threading.Thread(target=work, args=(float(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
