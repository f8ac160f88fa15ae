"""Weights of others as engines: converted here, compared with what PyTorch computes, put in place."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from guard.cli.models.catalogue import Offer, Part
from guard.cli.models.graph import INPUT, OUTPUT
from guard.cli.models.minifasnet import SIDE, onnx_graph
from guard.cli.models.torchfile import read_weights
from guard.core.errors import ConfigError, GuardError
from guard.inference.check import check_engine
from guard.inference.engine import Tensor
from guard.inference.manifest import MANIFEST_NAME, read_manifest
from guard.inference.parity import GOLDEN_NAME
from guard.inference.place import drafted, put

FACE_BOX = 1.2
"""Their detector's box over ours, which lies around the landmarks: theirs goes from the hair to the chin."""

LARGEST_DIFFERENCE = 1e-4
"""Of the graph from what PyTorch computes, in logits."""

MANIFEST = """\
[engine]
name = {name}
version = {version}
task = {task}
model = "model.onnx"
sha256 = "{sha256}"
licence = {licence}
data_terms = {data_terms}
commercial_use = {commercial_use}

[input]
name = "{input}"
size = {size}
layout = "NCHW"
colour = "RGB"               # the graph turns it to BGR, as they trained it
mean = [0.0, 0.0, 0.0]      # of 0..255: x = (pixel - mean) / std
std = [1.0, 1.0, 1.0]

[crop]
scale = {scale:g}                # {theirs:g} times their face box, which is {face_box:g} times ours
border = "shift"            # the box keeps its shape and is moved into the frame, as they do

[output]
name = "{output}"
attack = "positive"         # log-odds of 1 - P(live)

[calibration]               # as published: nobody calibrated it on calls
slope = 1.0
bias = 0.0

[calibration.weight]
size_px = {{ at = [48.0, 96.0], weight = [0.0, 1.0] }}
"""

CARD = """\
# {name}

{says}. Fetched by `guard models fetch {offer}` and converted here; not part of call-guard.

| | |
|---|---|
| published at | {source}/{file} |
| sha256 | {weights_sha256} |
| licence | {licence} |
| data | {data_terms} |
| crop | {theirs:g} x their face box: a box of the landmarks times {scale:g}, in its shape, inside the frame |
| output | log-odds of 1 - P(live); their net answers live, or one of two kinds of attack |
| check | the graph differs by at most {difference:.1e} from what PyTorch computes, in logits |

Meant as a second opinion beside an engine of one's own: its calibration is as published, so 0.5 is their
threshold, and nobody measured its error rates on calls. Upstream averages MiniFASNetV2 and V1SE, and so does
call-guard when both stand in `analysis.second_opinions`.
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """An engine that was put in place."""

    folder: Path
    difference: float
    """From what PyTorch computes, in logits."""


def require_ours(offer: Offer, root: Path) -> None:
    """Raise ConfigError where an engine of another origin has the name and the place of one of the offer."""
    for part in offer.parts:
        folder = root / part.engine
        if folder.exists() and not _is_of(offer, folder):
            msg = (
                f"{folder}: expected nothing, or what an earlier fetch put there, got something else; "
                f"remove or rename it, or name another folder with --to"
            )
            raise ConfigError(msg)


def _is_of(offer: Offer, folder: Path) -> bool:
    """Whether an engine carries the offer's terms; its version may be an older one."""
    try:
        engine = read_manifest(folder).engine
    except GuardError:
        return False
    found = (engine.task, engine.licence, engine.data_terms)
    return found == (offer.task, offer.licence, offer.data_terms)


def install(offer: Offer, contents: Sequence[bytes], root: Path) -> list[Installed]:
    """Convert the offer's files, whose digests were checked, and put the engines into ``root``, all or none.

    Raises:
        ModelError: a file is no such net, or the graph computes something else.
        EnvironmentProblem: the folder cannot be written.
    """
    with drafted(root, "--to") as draft:
        differences = [
            _make(offer, part, content, draft / part.engine)
            for part, content in zip(offer.parts, contents, strict=True)
        ]
        placed = put([draft / part.engine for part in offer.parts], root)
    return [Installed(*one) for one in zip(placed, differences, strict=True)]


def _make(offer: Offer, part: Part, content: bytes, folder: Path) -> float:
    """Write one engine and check it; how far it is from what PyTorch computes."""
    folder.mkdir()
    model = onnx_graph(read_weights(content, part.file))
    (folder / "model.onnx").write_bytes(model)
    expected = np.array(part.expected, np.float32)
    np.savez_compressed(folder / GOLDEN_NAME, inputs=golden_inputs(), outputs=expected)
    fields = _fields(offer, part, hashlib.sha256(model).hexdigest())
    (folder / MANIFEST_NAME).write_text(MANIFEST.format(**fields), encoding="utf-8")
    difference = check_engine(folder, LARGEST_DIFFERENCE).difference
    card = CARD.format(**_spoken(offer, part), difference=difference)
    (folder / "CARD.md").write_text(card, encoding="utf-8")
    return difference


def golden_inputs() -> Tensor:
    """Eight pictures without any person, RGB 0..255, float32 (8, 3, 80, 80); the same on every machine."""
    rng = np.random.default_rng(8)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    around = (rows - SIDE / 2) ** 2 / 900 + (columns - SIDE / 2) ** 2 / 500
    oval = np.where(around < 1, 200.0 - 60 * around, 60.0)
    board = ((rows // 8 + columns // 8) % 2) * 255.0
    ramps = np.stack([rows, columns, (rows + columns) / 2]) * 255 / SIDE
    coarse = rng.uniform(0, 255, (3, 8, 8)).repeat(10, 1).repeat(10, 2)
    fine = rng.uniform(0, 255, (3, SIDE, SIDE))
    tinted = [oval * rng.uniform(0.6, 1.2, (3, 1, 1)) for _ in range(3)]
    pictures = [*tinted, np.stack([board] * 3), ramps, coarse, fine, np.full((3, SIDE, SIDE), 128.0)]
    return np.stack(pictures).clip(0, 255).round().astype(np.float32)


def _fields(offer: Offer, part: Part, sha256: str) -> dict[str, Any]:
    words = {
        "name": part.engine,
        "version": offer.version,
        "task": offer.task,
        "licence": offer.licence,
        "data_terms": offer.data_terms,
        "commercial_use": offer.commercial_use,
    }
    return {key: json.dumps(value) for key, value in words.items()} | {  # JSON's strings are TOML's
        "sha256": sha256,
        "input": INPUT,
        "output": OUTPUT,
        "size": SIDE,
        "scale": part.scale * FACE_BOX,
        "theirs": part.scale,
        "face_box": FACE_BOX,
    }


def _spoken(offer: Offer, part: Part) -> dict[str, Any]:
    return {
        "name": part.engine,
        "says": offer.says,
        "offer": offer.name,
        "source": offer.source,
        "file": part.file,
        "weights_sha256": part.sha256,
        "licence": offer.licence,
        "data_terms": offer.data_terms,
        "theirs": part.scale,
        "scale": part.scale * FACE_BOX,
    }
