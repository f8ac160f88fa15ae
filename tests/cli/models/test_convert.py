"""MiniFASNet as a graph: against what PyTorch computes, from the published weights and from small ones."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.cli.models.catalogue import MINIFASNET
from guard.cli.models.graph import INPUT
from guard.cli.models.install import LARGEST_DIFFERENCE, golden_inputs
from guard.cli.models.minifasnet import onnx_graph
from guard.cli.models.torchfile import Weights, read_weights
from guard.core.errors import ModelError
from tests.support.weights import SMALL, small_minifasnet

pytestmark = pytest.mark.model

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "refs" / "minifasnet"


def floats(tensors: Weights) -> Weights:
    return {name: array for name, array in tensors.items() if array.dtype == np.float32}


def published(file: str) -> Weights:
    if not (PUBLISHED / file).is_file():
        pytest.skip("the published weights are not there")
    return read_weights((PUBLISHED / file).read_bytes(), file)


@dataclass(frozen=True)
class Net:
    """Weights, and what they should give for the golden inputs."""

    weights: Weights
    expected: tuple[float, ...]


@pytest.fixture(params=["small", "small and weighing", *(part.file for part in MINIFASNET.parts)])
def net(request: pytest.FixtureRequest) -> Net:
    for part in MINIFASNET.parts:
        if part.file == request.param:
            return Net(published(part.file), part.expected)
    weighing = request.param != "small"
    return Net(floats(small_minifasnet(int(weighing), weighing=weighing)), SMALL[weighing])


def run(graph: bytes, pictures: np.ndarray) -> np.ndarray:
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {INPUT: pictures})[0])


def test_the_golden_inputs_are_those_that_the_answers_were_made_for():
    digest = "0d7b376580d020cce4c27b34dc34320230aaac77c3acbfd6e72007308ad59a9c"
    assert hashlib.sha256(golden_inputs().tobytes()).hexdigest() == digest


def test_the_graph_gives_what_is_expected(net: Net):
    found = run(onnx_graph(net.weights), golden_inputs())[:, 0]
    assert np.ptp(found) > 0.05  # pictures tell
    assert np.abs(found - net.expected).max() < LARGEST_DIFFERENCE


def test_what_is_expected_is_what_pytorch_gives(net: Net):
    torch = pytest.importorskip("torch", reason="the extra train")
    found = torch_log_odds(torch, net.weights, golden_inputs())
    assert found == pytest.approx(net.expected, abs=1e-5)


def test_the_graph_takes_rgb_where_they_took_bgr():
    weights = {k: v for k, v in small_minifasnet().items() if v.dtype == np.float32}
    turned = weights | {"conv1.conv.weight": weights["conv1.conv.weight"][:, ::-1]}
    pictures = golden_inputs()
    one, other = (run(onnx_graph(one), p) for one, p in ((weights, pictures), (turned, pictures[:, ::-1])))
    assert one == pytest.approx(other, abs=1e-4)
    assert one != pytest.approx(run(onnx_graph(turned), pictures), abs=1e-4)


def test_weights_of_another_net_are_refused():
    weights = {k: v for k, v in small_minifasnet().items() if k != "conv_34.conv.bn.weight"}
    with pytest.raises(
        ModelError, match=r"expected the weights of a MiniFASNet, .*conv_34\.conv\.bn\.weight"
    ):
        onnx_graph(weights)


def torch_log_odds(torch: Any, weights: Weights, pictures: np.ndarray) -> np.ndarray:
    """Log-odds of not live by PyTorch's own operations, written layer by layer and from no other file."""
    f, w = torch.nn.functional, {name: torch.tensor(array).double() for name, array in weights.items()}

    def norm(x: Any, name: str) -> Any:
        parts = (w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return f.batch_norm(x, *parts, training=False, eps=1e-5)

    def unit(x: Any, name: str, stride: int, padding: int, groups: int) -> Any:
        x = norm(f.conv2d(x, w[f"{name}.conv.weight"], None, stride, padding, 1, groups), f"{name}.bn")
        return f.prelu(x, w[f"{name}.prelu.weight"]) if f"{name}.prelu.weight" in w else x

    def block(x: Any, name: str, stride: int) -> Any:
        x = unit(x, f"{name}.conv", 1, 0, 1)
        return unit(unit(x, f"{name}.conv_dw", stride, 1, x.shape[1]), f"{name}.project", 1, 0, 1)

    def residual(x: Any, name: str) -> Any:
        y = block(x, name, 1)
        if f"{name}.se_module.fc1.weight" in w:
            s = f.conv2d(f.adaptive_avg_pool2d(y, 1), w[f"{name}.se_module.fc1.weight"])
            s = f.conv2d(f.relu(norm(s, f"{name}.se_module.bn1")), w[f"{name}.se_module.fc2.weight"])
            y = y * torch.sigmoid(norm(s, f"{name}.se_module.bn2"))
        return x + y

    x = torch.tensor(pictures[:, ::-1].copy()).double()
    x = unit(unit(x, "conv1", 2, 1, 1), "conv2_dw", 1, 1, len(w["conv2_dw.conv.weight"]))
    for shrinking, stage in (("conv_23", "conv_3"), ("conv_34", "conv_4"), ("conv_45", "conv_5")):
        x = block(x, shrinking, 2)
        for index in sorted({int(name.split(".")[2]) for name in w if name.startswith(f"{stage}.model.")}):
            x = residual(x, f"{stage}.model.{index}")
    x = unit(unit(x, "conv_6_sep", 1, 0, 1), "conv_6_dw", 1, 0, len(w["conv_6_dw.conv.weight"])).flatten(1)
    said = norm(x @ w["linear.weight"].T, "bn") @ w["prob.weight"].T
    return np.asarray(-torch.logit(torch.softmax(said, 1)[:, 1]))
