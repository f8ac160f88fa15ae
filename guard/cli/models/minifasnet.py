"""MiniFASNet, our own definition: a narrow MobileFaceNet (Chen et al., CCBR 2018) for 80 px.

The layer table is the paper's, with the channels that the makers left after pruning: widths and numbers of
blocks are read from the weights, and so is which blocks weigh their channels (Hu et al.,
"Squeeze-and-Excitation Networks", CVPR 2018).
"""

from guard.cli.models.graph import INPUT, Graph
from guard.cli.models.torchfile import Weights
from guard.core.errors import ModelError

SIDE = 80
"""Side of the input, px."""

LIVE = 1
"""Class of a live face; 0 and 2 are kinds of attacks."""

FIRST = "conv1.conv.weight"
"""The convolution that sees colours."""


def onnx_graph(weights: Weights) -> bytes:
    """The file: ``face`` float32 (batch, 3, 80, 80), RGB 0..255, to ``logit`` float32 (batch, 1).

    The logit is the log-odds of an attack. The net sees BGR: the first convolution is turned.

    Raises:
        ModelError: a tensor that the net needs is missing.
    """
    try:
        turned = {**weights, FIRST: weights[FIRST][:, ::-1]}
        net = Graph(turned)
        return net.file("minifasnet", SIDE, _attack(net, _seen(net, turned)))
    except KeyError as error:
        msg = f"expected the weights of a MiniFASNet, got none called {error}; fetch the file again"
        raise ModelError(msg) from error


def _seen(net: Graph, weights: Weights) -> str:
    """All but the classifier, (n, channels, 1, 1)."""
    x = _unit(net, INPUT, "conv1", stride=2)
    x = _unit(net, x, "conv2_dw")
    for shrinking, stage in (("conv_23", "conv_3"), ("conv_34", "conv_4"), ("conv_45", "conv_5")):
        x = _bottleneck(net, x, shrinking, stride=2)
        x = _stage(net, weights, x, stage)
    x = _unit(net, x, "conv_6_sep", padding=0)
    return net.conv(x, "conv_6_dw.conv", "conv_6_dw.bn")


def _attack(net: Graph, x: str) -> str:
    """With a, b said of the attacks and l of live: log(e^a + e^b) - l = (b - l) + softplus(a - b)."""
    first, second = (number for number in range(3) if number != LIVE)
    said, flat = net.weight("prob.weight"), net.flatten(x)
    between = net.linear(flat, said[first] - said[second], "linear", "bn")
    against = net.linear(flat, said[second] - said[LIVE], "linear", "bn")
    return net.add(against, net.softplus(between))


def _unit(net: Graph, x: str, name: str, stride: int = 1, padding: int = 1) -> str:
    normed = net.conv(x, f"{name}.conv", f"{name}.bn", stride=stride, padding=padding)
    return net.prelu(normed, f"{name}.prelu")


def _bottleneck(net: Graph, x: str, name: str, stride: int = 1) -> str:
    """Widen, look around channel by channel, narrow."""
    wide = _unit(net, x, f"{name}.conv", padding=0)
    seen = _unit(net, wide, f"{name}.conv_dw", stride)
    return net.conv(seen, f"{name}.project.conv", f"{name}.project.bn")


def _stage(net: Graph, weights: Weights, x: str, name: str) -> str:
    blocks = sorted({int(key.split(".")[2]) for key in weights if key.startswith(f"{name}.model.")})
    for block in blocks:
        within = f"{name}.model.{block}"
        change = _bottleneck(net, x, within)
        if f"{within}.se_module.fc1.weight" in weights:
            change = net.times(change, _weighing(net, change, f"{within}.se_module"))
        x = net.add(x, change)
    return x


def _weighing(net: Graph, x: str, name: str) -> str:
    squeezed = net.relu(net.conv(net.mean(x), f"{name}.fc1", f"{name}.bn1"))
    return net.sigmoid(net.conv(squeezed, f"{name}.fc2", f"{name}.bn2"))
