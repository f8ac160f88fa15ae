"""What a recipe leaves behind: model.onnx, engine.toml and golden.npz, whole or not at all."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from torch import nn

from _shared.corpus import Picture
from _shared.figures import Calibration
from _shared.fitting import MEAN, STD, Pictures, normalise
from _shared.nets import export


@dataclass(frozen=True, slots=True)
class Card:
    """What engine.toml says beside the calibration and the checksum."""

    name: str
    version: str
    task: str
    licence: str
    data_terms: str
    size: int
    scale: float
    min_size_px: int
    full_size_px: int


def write(net: nn.Module, card: Card, calibration: Calibration, folder: Path) -> None:
    """Write the three files into ``folder``; each appears only when complete."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model.onnx"
    draft = folder / "model.part.onnx"
    export(net, card.size, draft)
    inputs = normalise(drawn_pictures(card.size))
    outputs = run(draft, inputs)
    np.savez_compressed(folder / "golden.part.npz", inputs=inputs, outputs=outputs)
    (folder / "engine.part.toml").write_text(manifest(card, calibration, draft))
    for draft_name, name in (
        ("model.part.onnx", model.name),
        ("golden.part.npz", "golden.npz"),
        ("engine.part.toml", "engine.toml"),
    ):
        (folder / draft_name).replace(folder / name)


def run(model: Path, inputs: np.ndarray) -> np.ndarray:
    """Logits of a model file by ONNX Runtime, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logit"], {"face": inputs})[0])


def manifest(card: Card, calibration: Calibration, model: Path) -> str:
    """The text of engine.toml."""
    return f"""\
[engine]
name = "{card.name}"
version = "{card.version}"
task = "{card.task}"
model = "model.onnx"
sha256 = "{hashlib.sha256(model.read_bytes()).hexdigest()}"
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

[calibration]
slope = {calibration.slope:.4f}
bias = {calibration.bias:.4f}
min_size_px = {card.min_size_px}            # longer side of the landmarks' box: below it the weight is 0
full_size_px = {card.full_size_px}           # from here on it is 1, linear between
"""


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
