"""Weights of small nets, and files of them in PyTorch's first format, written without PyTorch."""

import io
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Mapping
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]

SMALL = (
    (0.74072, 0.74115, 0.722603, 0.734349, 0.748782, 0.78079, 0.728361, 0.723364),
    (4.989924, 4.990106, 4.984954, 5.007182, 4.992271, 5.030964, 4.928853, 4.998675),
)
"""What PyTorch computes from ``small_minifasnet`` of seed 0, without weighing, and of seed 1, with it."""


class _Storage:
    def __init__(self, key: str, array: NDArray[Any]) -> None:
        self.key, self.array = key, array


class _Tensor:
    def __init__(self, storage: _Storage) -> None:
        self.storage = storage

    def __reduce__(self) -> tuple[Any, ...]:
        shape = self.storage.array.shape
        strides = tuple(step // self.storage.array.itemsize for step in self.storage.array.strides)
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.storage, 0, shape, strides, False, OrderedDict())


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> tuple[Any, ...] | None:
        if not isinstance(obj, _Storage):
            return None
        kind = "FloatStorage" if obj.array.dtype == np.float32 else "LongStorage"
        return "storage", getattr(sys.modules["torch"], kind), obj.key, "cuda:0", obj.array.size, None


def torch_file(tensors: Tensors) -> bytes:
    """The file that PyTorch before 1.6 would have saved, as on several GPUs."""
    arrays = {f"module.{name}": np.ascontiguousarray(array) for name, array in tensors.items()}
    storages = [_Storage(str(number), array) for number, array in enumerate(arrays.values())]
    stream = io.BytesIO()
    with patch.dict(sys.modules, _pretended_torch()):
        for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(part, stream, 2)
        named = zip(arrays, map(_Tensor, storages), strict=True)
        _Pickler(stream, 2).dump(OrderedDict(named))
        pickle.dump([storage.key for storage in storages], stream, 2)
    for storage in storages:
        stream.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())
    return stream.getvalue()


def small_minifasnet(seed: int = 1, *, weighing: bool = True) -> dict[str, NDArray[Any]]:
    """Random weights of a net with the layers of MiniFASNet, a few channels wide."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, NDArray[Any]] = {}

    def put(name: str, *shape: int) -> None:
        fan_in = max(1, int(np.prod(shape[1:])))
        tensors[name] = (rng.normal(0, 0.9 / np.sqrt(fan_in), shape)).astype(np.float32)

    def norm(name: str, channels: int) -> None:
        put(f"{name}.bias", channels)
        put(f"{name}.running_mean", channels)
        for part in ("weight", "running_var"):
            tensors[f"{name}.{part}"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)
        tensors[f"{name}.num_batches_tracked"] = np.array(7, np.int64)

    def unit(name: str, inside: int, outside: int, kernel: int, *, slopes: bool = True) -> None:
        put(f"{name}.conv.weight", outside, inside, kernel, kernel)
        norm(f"{name}.bn", outside)
        if slopes:
            put(f"{name}.prelu.weight", outside)

    def bottleneck(name: str, width: int, hidden: int) -> None:
        unit(f"{name}.conv", width, hidden, 1)
        unit(f"{name}.conv_dw", 1, hidden, 3)
        unit(f"{name}.project", hidden, width, 1, slopes=False)

    width = 4
    unit("conv1", 3, width, 3)
    unit("conv2_dw", 1, width, 3)
    for shrinking, stage, blocks in (
        ("conv_23", "conv_3", 2),
        ("conv_34", "conv_4", 1),
        ("conv_45", "conv_5", 1),
    ):
        bottleneck(shrinking, width, 6)
        for block in range(blocks):
            bottleneck(f"{stage}.model.{block}", width, 5)
        if weighing:
            within = f"{stage}.model.{blocks - 1}.se_module"
            put(f"{within}.fc1.weight", 2, width, 1, 1)
            norm(f"{within}.bn1", 2)
            put(f"{within}.fc2.weight", width, 2, 1, 1)
            norm(f"{within}.bn2", width)
    unit("conv_6_sep", width, 8, 1)
    unit("conv_6_dw", 1, 8, 5, slopes=False)
    put("linear.weight", 6, 8)
    norm("bn", 6)
    put("prob.weight", 3, 6)
    tensors["conv1.conv.weight"] /= 100  # pictures come as 0..255
    return tensors


def _pretended_torch() -> dict[str, ModuleType]:
    """Just enough of PyTorch's names for a pickle to refer to."""
    torch, inner = ModuleType("torch"), ModuleType("torch._utils")

    def _rebuild_tensor_v2() -> None:
        """Only named."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    inner.__dict__["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    for name in ("FloatStorage", "LongStorage"):
        torch.__dict__[name] = type(name, (), {"__module__": "torch"})
    return {"torch": torch, "torch._utils": inner}
