"""ONNX Runtime on the CPU: the one door to onnxruntime, and the default backend."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from guard.core.errors import ModelError, ShapeError
from guard.inference.engine import Tensor

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when it is loaded; without it, it reports to its maker

import onnxruntime as ort  # type: ignore[import-untyped]  # the wheel carries no type information
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors  # type: ignore[import-untyped]  # same

_LOAD_ERRORS = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)

Shape = tuple[int | None, ...]


class OnnxRuntimeEngine:
    """Runs one ONNX file in one thread of the caller.

    Sessions are thread-safe: ``infer`` may be called from several threads at once. The arrays that it
    returns are the caller's own.
    """

    def __init__(self, model_path: Path, sha256: str) -> None:
        self._path = model_path
        self._sha256 = sha256
        self._session: Any = None
        self._inputs: dict[str, Shape] = {}
        self._outputs: list[str] = []

    def activate(self) -> None:
        """Check the file's digest, load it, run it once; raise ModelError where that is not possible."""
        if self._session is not None:
            return
        try:
            session = ort.InferenceSession(
                _verified_bytes(self._path, self._sha256), _options(), providers=["CPUExecutionProvider"]
            )
            self._inputs = {node.name: _float_shape(self._path, node) for node in session.get_inputs()}
            self._outputs = [node.name for node in session.get_outputs()]
            session.run(self._outputs, _zeros(self._inputs))
        except _LOAD_ERRORS as error:
            msg = (
                f"{self._path}: expected a model that ONNX Runtime {ort.__version__} runs, got {error}; "
                f"make it again with the recipe beside it"
            )
            raise ModelError(msg) from error
        self._session = session

    def inputs(self) -> Mapping[str, Shape]:
        """Shapes by input name; None stands for an axis of any length, as the batch axis."""
        return self._inputs

    def infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run a batch of float32 arrays by input name; the arrays returned belong to the caller.

        Raises:
            ModelError: the engine is not active.
            ShapeError: a name, dtype or shape differs from ``inputs()``.
        """
        session = self._session
        if session is None:
            msg = f"{self._path}: expected an active engine, got an inactive one; call activate() first"
            raise ModelError(msg)
        self._check(feeds)
        outputs = session.run(self._outputs, dict(feeds))
        return dict(zip(self._outputs, outputs, strict=True))

    def deactivate(self) -> None:
        """Release the model; calling it twice is harmless."""
        self._session = None

    def _check(self, feeds: Mapping[str, Tensor]) -> None:
        if feeds.keys() != self._inputs.keys():
            msg = f"{self._path}: expected inputs {sorted(self._inputs)}, got {sorted(feeds)}; name each one"
            raise ShapeError(msg)
        for name, shape in self._inputs.items():
            array = feeds[name]
            if array.dtype != np.float32 or not _fits(array.shape, shape):
                wanted = ", ".join("any" if side is None else str(side) for side in shape)
                msg = (
                    f"{self._path}: input {name!r}: expected float32 ({wanted}), "
                    f"got {array.dtype} {array.shape}; prepare it with Manifest.tensor()"
                )
                raise ShapeError(msg)


def providers() -> tuple[str, ...]:
    """What this build of ONNX Runtime could run on; engines use the CPU."""
    return tuple(ort.get_available_providers())


def _fits(got: tuple[int, ...], wanted: Shape) -> bool:
    return len(got) == len(wanted) and all(w in (None, g) and g > 0 for g, w in zip(got, wanted, strict=True))


def _verified_bytes(path: Path, sha256: str) -> bytes:
    """The file's content, read once so that what was checked is what is loaded."""
    mend = "restore it from the repository, or make it again with its recipe and update engine.toml"
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: expected a model file with sha256 {sha256}, found none ({error.strerror}); {mend}"
        raise ModelError(msg) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        msg = f"{path}: altered model file: expected sha256 {sha256}, found {found}; {mend}"
        raise ModelError(msg)
    return content


def _options() -> Any:
    """One thread, no spinning: the threads belong to the callers, and calls come first."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors come as exceptions; warnings about the graph help no operator
    return options


def _float_shape(path: Path, node: Any) -> Shape:
    if node.type != "tensor(float)":
        msg = f"{path}: input {node.name!r}: expected tensor(float), got {node.type}; export it as float32"
        raise ModelError(msg)
    return tuple(side if isinstance(side, int) else None for side in node.shape)


def _zeros(inputs: Mapping[str, Shape]) -> dict[str, Tensor]:
    return {name: np.zeros([side or 1 for side in shape], np.float32) for name, shape in inputs.items()}
