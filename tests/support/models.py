"""Tiny ONNX engines written to a folder, and one engine that needs no file."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from guard.inference.engine import Tensor

SIDE = 8

ENGINE_TOML = """
[engine]
name = "{name}"
version = "1"
task = "{task}"
model = "model.onnx"
sha256 = "{sha256}"
licence = "Apache-2.0"
data_terms = "drawn"
commercial_use = true
[input]
name = "pixels"
size = 8
layout = "NCHW"
colour = "RGB"
mean = [100, 100, 100]
std = [50, 50, 50]
[crop]
scale = 1.5
border = "reflect"
[output]
name = "logit"
attack = "positive"
[calibration]
slope = 2.0
bias = 0.5
[calibration.weight.size_px]
at = [40, 80]
weight = [0, 1]
"""


def write_model(path: Path, side: int = SIDE, dtype: int = TensorProto.FLOAT, output: str = "logit") -> str:
    """Write a graph whose logit is the mean of its input; return its sha256."""
    nodes = [helper.make_node("ReduceMean", ["pixels", "axes"], [output], keepdims=0)]
    axes = helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("pixels", dtype, ["n", 3, side, side])],
        [helper.make_tensor_value_info(output, dtype, ["n"])],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content: bytes = model.SerializeToString()
    onnx.checker.check_model(model)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def write_engine(root: Path, name: str = "tiny", task: str = "manipulation") -> Path:
    """Write a whole engine into ``root``; return its folder."""
    folder = root / name
    folder.mkdir(parents=True)
    sha256 = write_model(folder / "model.onnx")
    (folder / "engine.toml").write_text(ENGINE_TOML.format(name=name, task=task, sha256=sha256))
    return folder


class MeanEngine:
    """An engine without a file: its logit is the mean of the input; keeps what it was fed."""

    def __init__(self) -> None:
        self.fed: list[Tensor] = []

    def activate(self) -> None:
        """Nothing to load."""

    def inputs(self) -> Mapping[str, tuple[int | None, ...]]:
        """One batch of pictures."""
        return {"pixels": (None, 3, SIDE, SIDE)}

    def infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Mean of each picture."""
        self.fed.append(feeds["pixels"])
        return {"logit": feeds["pixels"].mean(axis=(1, 2, 3), dtype=np.float32)}

    def deactivate(self) -> None:
        """Nothing to release."""
