"""Weights read without PyTorch."""

import io
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.cli.models.torchfile import read_weights
from guard.core.errors import ModelError
from tests.support.weights import torch_file

pytestmark = pytest.mark.unit

TENSORS: dict[str, NDArray[Any]] = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "se_module.bn.bias": np.array([1.5, -2.5], np.float32),
    "bn.num_batches_tracked": np.array(7, np.int64),
}
CONTENT = torch_file(TENSORS)


def test_tensors_come_by_name_without_the_prefix_and_without_counters():
    weights = read_weights(CONTENT, "net.pth")
    assert sorted(weights) == ["conv.weight", "se_module.bn.bias"]
    for name, array in weights.items():
        assert array.dtype == np.float32
        assert array.tolist() == TENSORS[name].tolist()


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must never be seen",)


@pytest.mark.parametrize("place", range(3))
def test_a_pickle_that_asks_for_other_names_runs_nothing(place: int, capsys: pytest.CaptureFixture[str]):
    stream = io.BytesIO(CONTENT)
    before = b""
    for _ in range(place):
        start = stream.tell()
        pickle.load(stream)  # noqa: S301 -- made above
        before += CONTENT[start : stream.tell()]
    with pytest.raises(ModelError, match=r"net\.pth: .*it asks for __builtin__\.print"):
        read_weights(before + pickle.dumps(Evil(), 2), "net.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("length", [0, 1, 30, 200, len(CONTENT) - 100, len(CONTENT) - 1])
def test_a_file_cut_short_is_told(length: int):
    with pytest.raises(ModelError, match="expected tensors"):
        read_weights(CONTENT[:length], "net.pth")


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 a zip of newer versions", pickle.dumps(5, 2) * 4, b"<html>"]
)
def test_another_format_is_told(content: bytes):
    with pytest.raises(ModelError, match="expected tensors in PyTorch's first format"):
        read_weights(content, "net.pth")
