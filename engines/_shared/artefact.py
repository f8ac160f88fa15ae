"""What a recipe leaves behind: model.onnx, its fp16 twin, engine.toml and golden.npz, each whole or not."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel
from torch import nn

from _shared.corpus import Picture
from _shared.figures import Scores
from _shared.fitting import MEAN, STD, Pictures, normalise
from _shared.nets import export
from _shared.trust import NUDGE, Trust

CHECK_EVERY = 8
"""Scores of a face track between two looks at its stability: one a second, for an eighth more inference."""

_OVER = {
    "size_px": "longer side of the landmarks' box, px of the frame",
    "sharpness": "variance of the Laplacian at 96 px in common light",
    "luma": "mean luma of the face, 0..255",
}


@dataclass(frozen=True, slots=True)
class Card:
    """What engine.toml says beside the calibration and the checksums."""

    name: str
    version: str
    task: str
    licence: str
    data_terms: str
    size: int
    scale: float


def write(net: nn.Module, card: Card, trust: Trust, folder: Path) -> None:
    """Write the four files into ``folder``; each appears only when complete."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "model.part.onnx"
    export(net, card.size, draft)
    inputs = normalise(drawn_pictures(card.size))
    np.savez_compressed(folder / "golden.part.npz", inputs=inputs, outputs=run(draft, inputs))
    draft.replace(folder / "model.onnx")
    (folder / "golden.part.npz").replace(folder / "golden.npz")
    describe(card, trust, folder)


def describe(card: Card, trust: Trust, folder: Path) -> None:
    """Write the fp16 twin and engine.toml of the model that lies in ``folder``."""
    in_halves(folder / "model.onnx", folder / "model.fp16.part.onnx")
    (folder / "model.fp16.part.onnx").replace(folder / "model.fp16.onnx")
    (folder / "engine.part.toml").write_text(manifest(card, trust, folder))
    (folder / "engine.part.toml").replace(folder / "engine.toml")


def in_halves(model: Path, twin: Path) -> None:
    """Write the float16 twin of a float32 model, its input and output still float32: TensorRT 11 is typed."""
    half = OnnxModel(convert_float_to_float16(onnx.load(model), keep_io_types=True))
    half.topological_sort()  # the converter puts the casts of the inputs last
    onnx.checker.check_model(half.model, full_check=True)
    onnx.save(half.model, twin)


def run(model: Path, inputs: np.ndarray) -> np.ndarray:
    """Logits of a model file by ONNX Runtime, one thread."""
    return session(model).run(["logit"], {"face": inputs})[0]


def session(model: Path) -> onnxruntime.InferenceSession:
    """A model file in ONNX Runtime, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def judge(model: Path) -> Callable[[Pictures], Scores]:
    """Logits of pictures by a model file, as ``fitting.logits`` gives them of a net."""
    loaded = session(model)

    def logits(pictures: Pictures) -> Scores:
        parts = [
            loaded.run(["logit"], {"face": normalise(pictures[i : i + 64])})[0]
            for i in range(0, len(pictures), 64)
        ]
        return np.concatenate(parts)[:, 0].astype(np.float64)

    return logits


def manifest(card: Card, trust: Trust, folder: Path) -> str:
    """The text of engine.toml."""
    return f"""\
[engine]
name = "{card.name}"
version = "{card.version}"
task = "{card.task}"
model = "model.onnx"
sha256 = "{_sha256(folder / "model.onnx")}"
model_fp16 = "model.fp16.onnx"
sha256_fp16 = "{_sha256(folder / "model.fp16.onnx")}"
licence = "{card.licence}"
data_terms = "{card.data_terms}"
commercial_use = false

[input]
name = "face"
size = {card.size}                  # px, square
layout = "NCHW"
colour = "RGB"
mean = {list(MEAN)}   # of 0..255: x = (pixel - mean) / std
std = {list(STD)}

[crop]
scale = {card.scale}                 # square over the longer side of the box around all 478 landmarks
border = "reflect"          # fills what lies outside the frame

[output]
name = "logit"
attack = "positive"         # P(attack) = sigmoid(slope * logit + bias)

{calibration(trust)}"""


def calibration(trust: Trust) -> str:
    """The text of [calibration] with its tables."""
    parts = [
        f"""\
[calibration]
slope = {trust.calibration.slope:.4f}
bias = {trust.calibration.bias:.4f}
"""
    ]
    parts += [
        f"""\
[calibration.weight.{name}]     # {_OVER[name]}; the weight of a score is the product of these curves
at = {_list(curve.at, "g")}
weight = {_list(curve.weight, ".3f")}
count = {list(curve.count)}
"""
        for name, curve in trust.curves.items()
    ]
    diagram = trust.reliability
    parts.append(
        f"""\
[calibration.reliability]   # on held-out people: what was said, weighed, and what was so
predicted = {_list(diagram.predicted, ".3f")}
attack = {_list(diagram.attack, ".3f")}
count = {list(diagram.count)}
error = {diagram.error:.4f}
people = {diagram.people}
"""
    )
    if trust.most_change is not None:
        parts.append(
            f"""\
[calibration.instability]   # a score that moves with the crop is not believed
every = {CHECK_EVERY}
zoom = {NUDGE}
most = {trust.most_change:.2f}
"""
        )
    return "\n".join(parts)


def _list(values: Sequence[float], form: str) -> str:
    return "[" + ", ".join(_decimal(format(value, form)) for value in values) + "]"


def _decimal(number: str) -> str:
    """A float of TOML."""
    return number if {".", "e"} & set(number) else f"{number}.0"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def drawn_pictures(size: int) -> Pictures:
    """Eight pictures without any person: four drawn faces, two of noise, a ramp, a chessboard; seeded."""
    rng = np.random.default_rng(8)
    rows, columns = np.mgrid[0:size, 0:size]
    ramp = np.stack([rows * 255 // size, columns * 255 // size, (rows + columns) * 127 // size], 2)
    board = np.repeat((((rows // 8 + columns // 8) % 2) * 255)[:, :, None], 3, 2)
    noise = [
        rng.integers(0, 256, (size, size, 3)),
        cv2.resize(rng.integers(0, 256, (8, 8, 3)).astype(np.uint8), (size, size)),
    ]
    faces = [drawn_face(size, rng) for _ in range(4)]
    return np.stack([np.asarray(picture, np.uint8) for picture in (*faces, *noise, ramp, board)])


def drawn_face(size: int, rng: np.random.Generator) -> Picture:
    """An oval with eyes, nose and mouth on a plain ground."""
    ground, skin, dark = (tuple(map(int, rng.integers(low, low + 80, 3))) for low in (60, 150, 10))
    canvas = np.full((size, size, 3), ground, np.uint8)
    middle, unit = size // 2, size / 128
    cv2.ellipse(
        canvas, (middle, middle), (round(42 * unit), round(56 * unit)), 0, 0, 360, skin, -1, cv2.LINE_AA
    )
    for side in (-1, 1):
        eye = (middle + side * round(17 * unit), middle - round(12 * unit))
        cv2.circle(canvas, eye, max(1, round(5 * unit)), dark, -1, cv2.LINE_AA)
    cv2.line(
        canvas,
        (middle, middle - round(4 * unit)),
        (middle, middle + round(12 * unit)),
        dark,
        max(1, round(2 * unit)),
    )
    mouth = (middle, middle + round(26 * unit))
    cv2.ellipse(
        canvas, mouth, (round(16 * unit), round(math.ceil(5 * unit))), 0, 0, 180, dark, -1, cv2.LINE_AA
    )
    return canvas
