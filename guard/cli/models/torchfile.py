"""Reads tensors from a file of PyTorch's first format (before 1.6), without PyTorch and without running code.

Five pickles (a magic number, a version, the writer's machine, the objects, the names of the storages), then
each storage: its length as int64, and its values, little-endian. The unpickler knows four names; whatever
else a pickle asks for is refused.
"""

import io
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from guard.core.errors import ModelError

Weights: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Tensors by name."""

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
PREFIX = "module."
"""Stands before every name of a net that was trained on several GPUs."""

_DAMAGED = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)
"""What reading a pickle that is cut short or altered may raise."""


@dataclass(frozen=True, slots=True)
class _Float32:
    """torch.FloatStorage."""

    dtype: str = "<f4"


@dataclass(frozen=True, slots=True)
class _Int64:
    """torch.LongStorage."""

    dtype: str = "<i8"


@dataclass(frozen=True, slots=True)
class _Tensor:
    """What torch._utils._rebuild_tensor_v2 is asked for: a part of a storage that is read later."""

    storage: tuple[str, str, int]
    """Name, dtype, values."""
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool = False
    hooks: Any = None


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch", "FloatStorage"): _Float32,
    ("torch", "LongStorage"): _Int64,
}


class _Reader(pickle.Unpickler):
    """An unpickler of four names."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        known = _KNOWN.get((module_name, global_name))
        if known is None:
            msg = f"it asks for {module_name}.{global_name}"
            raise pickle.UnpicklingError(msg)
        return known

    def persistent_load(self, pid: Any) -> tuple[str, str, int]:
        kind, storage, name, _place, count, view = pid
        if kind != "storage" or view is not None or storage not in {_Float32, _Int64}:
            msg = f"it asks for {pid!r}"
            raise pickle.UnpicklingError(msg)
        return str(name), storage().dtype, int(count)


def read_weights(content: bytes, name: str) -> Weights:
    """The float32 tensors of a state dictionary, without the prefix of several GPUs; counters are left out.

    Check the digest first: it runs nothing, but an altered file may ask for much memory.

    Raises:
        ModelError: it is no such file, is cut short, or asks for anything but tensors; ``name`` is told.
    """
    stream = io.BytesIO(content)
    try:
        if (_Reader(stream).load(), _Reader(stream).load()) != (MAGIC, VERSION):
            msg = "another format"
            raise ValueError(msg)
        _Reader(stream).load()  # the writer's machine
        tensors = _Reader(stream).load()
        storages = _storages(stream, _Reader(stream).load(), tensors)
        found = {
            str(key).removeprefix(PREFIX): _cut(storages[tensor.storage[0]], tensor)
            for key, tensor in tensors.items()
        }
    except _DAMAGED as error:
        msg = f"{name}: expected tensors in PyTorch's first format, got: {error}; fetch the file again"
        raise ModelError(msg) from error
    return {key: array for key, array in found.items() if array.dtype == np.float32}


def _storages(
    stream: io.BytesIO, names: list[str], tensors: Mapping[str, _Tensor]
) -> dict[str, NDArray[Any]]:
    dtypes = {tensor.storage[0]: (tensor.storage[1], tensor.storage[2]) for tensor in tensors.values()}
    storages = {}
    for name in names:
        dtype, promised = dtypes[name]
        (count,) = struct.unpack("<q", stream.read(8))
        if count != promised:
            msg = f"a storage of {count} values where {promised} were promised"
            raise ValueError(msg)
        storages[name] = np.frombuffer(stream.read(count * int(dtype[-1])), dtype, count)
    return storages


def _cut(storage: NDArray[Any], tensor: _Tensor) -> NDArray[Any]:
    rows = [math.prod(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape))]
    if tuple(rows) != tuple(tensor.stride):
        msg = f"a tensor {tensor.shape} with strides {tensor.stride}"
        raise ValueError(msg)
    end = tensor.offset + math.prod(tensor.shape)
    return storage[tensor.offset : end].reshape(tensor.shape)
