"""A graph of ONNX, written operation by operation: norms folded into the convolutions and linear layers.

Needs ``onnx``, which is imported when a graph is written.
"""

from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guard.cli.models.torchfile import Weights

OPSET = 17
IR_VERSION = 8
INPUT, OUTPUT = "face", "logit"
EPSILON = 1e-5
"""Of every batch normalisation (PyTorch's default)."""


class Graph:
    """What is to be computed; values are names, and so are the weights.

    A method raises KeyError where the weights lack a tensor.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._numbers = count(1)

    def file(self, name: str, side: int, last: str) -> bytes:
        """``face`` float32 (batch, 3, side, side) to ``logit`` float32 (batch, 1), the value ``last``."""
        from onnx import TensorProto, checker, helper  # noqa: PLC0415 -- the extra "models"

        graph = helper.make_graph(
            [*self._nodes, helper.make_node("Identity", [last], [OUTPUT])],
            name,
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 3, side, side])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", 1])],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def conv(self, x: str, name: str, norm: str, *, stride: int = 1, padding: int = 0) -> str:
        """Convolution, then batch normalisation; channel by channel where the weights have one input each."""
        kernel = self.weight(f"{name}.weight")
        gain, bias = self._norm(norm)
        alone = kernel.shape[1] == 1 < kernel.shape[0]
        kernel = kernel * gain[:, None, None, None]
        return self._node(
            "Conv",
            x,
            self._constant(f"{name}.weight", kernel),
            self._constant(f"{name}.bias", bias),
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            pads=[padding] * 4,
            group=kernel.shape[0] if alone else 1,
        )

    def prelu(self, x: str, name: str) -> str:
        """Leaky where negative, a slope a channel."""
        slope = self.weight(f"{name}.weight")[:, None, None]
        return self._node("PRelu", x, self._constant(f"{name}.weight", slope))

    def relu(self, x: str) -> str:
        """Zero where negative."""
        return self._node("Relu", x)

    def sigmoid(self, x: str) -> str:
        """To 0..1."""
        return self._node("Sigmoid", x)

    def mean(self, x: str) -> str:
        """Over all places, (n, channels, 1, 1)."""
        return self._node("GlobalAveragePool", x)

    def add(self, x: str, y: str) -> str:
        """Sum."""
        return self._node("Add", x, y)

    def times(self, x: str, y: str) -> str:
        """Product; ``y`` may be (n, channels, 1, 1)."""
        return self._node("Mul", x, y)

    def softplus(self, x: str) -> str:
        """log(1 + e^x)."""
        return self._node("Softplus", x)

    def flatten(self, x: str) -> str:
        """(n, channels, 1, 1) to (n, channels)."""
        return self._node("Flatten", x)

    def linear(self, x: str, row: NDArray[np.float64], layer: str, norm: str) -> str:
        """``row`` of a linear layer on the norm of the linear ``layer`` on ``x``: one number, (n, 1)."""
        gain, bias = self._norm(norm)
        matrix = (row * gain) @ self.weight(f"{layer}.weight")
        name = f"{layer}_{next(self._numbers)}"
        constants = self._constant(f"{name}.weight", matrix[None]), self._constant(f"{name}.bias", row @ bias)
        return self._node("Gemm", x, *constants, transB=1)

    def weight(self, name: str) -> NDArray[np.float64]:
        """A tensor of the weights, in double precision."""
        return self._weights[name].astype(np.float64)

    def _norm(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Batch normalisation as a factor and a summand for each channel."""
        gain = self.weight(f"{name}.weight") / np.sqrt(self.weight(f"{name}.running_var") + EPSILON)
        return gain, self.weight(f"{name}.bias") - gain * self.weight(f"{name}.running_mean")

    def _constant(self, name: str, array: NDArray[np.float64]) -> str:
        from onnx import numpy_helper  # noqa: PLC0415 -- the extra "models"

        whole = np.atleast_1d(np.ascontiguousarray(array, np.float32))
        self._constants.append(numpy_helper.from_array(whole, name))
        return name

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper  # noqa: PLC0415 -- same

        output = f"{kind.lower()}_{next(self._numbers)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output
