"""The nets learn by a quicker way to the same numbers; needs the train extra."""

import importlib
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

torch = pytest.importorskip("torch", reason="training needs the train extra")
ENGINES = Path(__file__).parents[2] / "engines"


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    return importlib.import_module("_shared.nets")


@pytest.mark.parametrize("side", [8, 9])
def test_a_halved_depthwise_layer_is_one_of_stride_two(nets: Any, side: int) -> None:
    torch.manual_seed(2)
    layer = nets._Depthwise(4, 4, 3, 2, 1, groups=4, bias=False)
    picture = torch.randn(2, 4, side, side, requires_grad=True)
    results = {}
    for learning in (False, True):
        layer.train(learning)
        layer.zero_grad()
        picture.grad = None
        out = layer(picture)
        (out * torch.arange(out.numel()).reshape(out.shape)).sum().backward()
        results[learning] = [out.detach(), layer.weight.grad.clone(), picture.grad.clone()]
    for plain, learned in zip(results[False], results[True], strict=True):
        assert torch.allclose(plain, learned, rtol=1e-4, atol=1e-4)


def test_it_says_whether_and_for_each_cell_where(nets: Any) -> None:
    net = nets.MobileNetV2(stages=5, top=32).eval()
    pictures = torch.randn(2, 3, 64, 64)
    logit, where = net.mapped(pictures)
    assert logit.shape == (2, 1)
    assert where.shape == (2, 4, 4)
    assert torch.equal(logit, net(pictures))
