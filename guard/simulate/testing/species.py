"""The table of test variants: what each species is called in results, and the one way to open it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import partial
from itertools import islice
from typing import TypeAlias

import numpy as np

from guard.core.errors import NotFoundError, ShapeError
from guard.core.geometry import bounding_box
from guard.core.types import Family, Picture
from guard.core.units import Seconds
from guard.simulate.extend import ExtendedFrame, Extension
from guard.simulate.testing.background import OtherBackground
from guard.simulate.testing.beauty import BeautyFilter
from guard.simulate.testing.bent import BentPrint
from guard.simulate.testing.dropout import OccludedSwap
from guard.simulate.testing.loop import InjectedFile, LoopedClip
from guard.simulate.testing.material import Material, Shot, Size, Still, TimedShot
from guard.simulate.testing.photo import HeldPhoto, portrait
from guard.simulate.testing.reenact import Reenactment
from guard.simulate.testing.replay import Replay
from guard.simulate.testing.swap import FaceSwap
from guard.simulate.testing.timing import CAMERA, FILE, SOFTWARE, Timing

SWITCHED_AT: Seconds = 8.0
"""When a mid-call switch happens unless somebody says otherwise."""

_CLOCK_SEED = 0x71C0


@unique
class Needs(StrEnum):
    """What a species is made from."""

    STILL = "still"
    """One picture of the person."""
    CLIP = "clip"
    """A clip of the person, two pictures or more."""
    CLIP_AND_OTHER = "clip_and_other"
    """That, and a photo of somebody else."""


@dataclass(frozen=True, slots=True)
class Species:
    """One kind of attack, or of bona fide call, in one variant (attacks: PAI species of ISO/IEC 30107-3)."""

    name: str
    """``species:variant``, as it stands in every result."""
    family: Family | None
    """The alert that it should raise; None for bona fide, which should raise none."""
    summary: str
    needs: Needs = Needs.CLIP
    timing: Timing = CAMERA
    """When its frames come."""
    switched_at: Seconds = 0.0
    """When it begins where nobody says: before that it is bona fide."""

    def begins(self, at: Seconds | None) -> Seconds:
        """When it begins: at ``at``, where somebody says so."""
        return self.switched_at if at is None else at


PHOTO_IN_HAND = Species(
    "photo-in-hand:test", Family.PRESENTATION, "A still photo held to the camera.", Needs.STILL
)
BENT_PRINT = Species(
    "bent-print:test", Family.PRESENTATION, "A print bent about an axis that moves.", Needs.STILL
)
PHONE_REPLAY = Species("phone-replay:test", Family.PRESENTATION, "A clip on a phone in the hand.")
MONITOR_REPLAY = Species("monitor-replay:test", Family.PRESENTATION, "A clip on a monitor, steadily filmed.")
LOOPED_CLIP = Species(
    "looped-clip:test", Family.INJECTION, "Four seconds over and over, with a seam.", timing=FILE
)
FADED_LOOP = Species(
    "faded-loop:test", Family.INJECTION, "Four seconds over and over, the seam cross-faded.", timing=FILE
)
INJECTED_FILE = Species(
    "injected-file:test", Family.INJECTION, "A file of 25 pictures a second sent as 30.", timing=FILE
)
FACE_SWAP = Species(
    "face-swap:test",
    Family.MANIPULATION,
    "Another face warped over a moving person's.",
    Needs.CLIP_AND_OTHER,
    SOFTWARE,
)
OCCLUDED_SWAP = Species(
    "occluded-swap:test",
    Family.MANIPULATION,
    "A face swap that slips and drops out where a hand passes.",
    Needs.CLIP_AND_OTHER,
    SOFTWARE,
)
MID_CALL_SWITCH = Species(
    "mid-call-switch:test",
    Family.MANIPULATION,
    "Bona fide first, then a face swap.",
    Needs.CLIP_AND_OTHER,
    SOFTWARE,
    SWITCHED_AT,
)
REENACTMENT = Species(
    "reenactment:test",
    Family.MANIPULATION,
    "A photo of another person moved by this one's face.",
    Needs.CLIP_AND_OTHER,
    SOFTWARE,
)
EXTENSION = Species("extension:test", None, "The clip made endless, bona fide.")
BEAUTY_FILTER = Species("beauty-filter:test", None, "Smoothed skin, larger eyes, bona fide.", timing=SOFTWARE)
BACKGROUND_BLUR = Species("background-blur:test", None, "The background blurred, bona fide.", timing=SOFTWARE)
VIRTUAL_BACKGROUND = Species(
    "virtual-background:test", None, "Another background, bona fide.", timing=SOFTWARE
)

Overlay: TypeAlias = Callable[[ExtendedFrame, Seconds], tuple[Picture, bool]]
"""Changes a frame of the extended clip; told its time, tells whether the attack shows."""

Opener: TypeAlias = Callable[[Material, Size, float, int], Iterator[Picture]]
"""Makes pictures of its own from (material, size, fps, seed)."""


def _held(material: Material, size: Size, fps: float, seed: int) -> Iterator[Picture]:
    return HeldPhoto(_portrait(material), size, seed, fps=fps)


def _bent(material: Material, size: Size, fps: float, seed: int) -> Iterator[Picture]:
    return BentPrint(_portrait(material), size, seed, fps=fps)


def _phone(material: Material, size: Size, fps: float, seed: int) -> Iterator[Picture]:
    return Replay(material.person, size, seed, fps=fps, display="phone")


def _monitor(material: Material, size: Size, fps: float, seed: int) -> Iterator[Picture]:
    return Replay(material.person, size, seed, fps=fps, display="monitor")


def _looped(fade: Seconds, material: Material, size: Size, fps: float, seed: int) -> Iterator[Picture]:
    return LoopedClip(material.person, size, seed, fps=fps, fade=fade)


def _injected(material: Material, size: Size, fps: float, seed: int) -> Iterator[Picture]:  # noqa: ARG001 -- a file keeps its own rate
    return InjectedFile(material.person, size, seed)


def _reenacted(material: Material, size: Size, fps: float, seed: int) -> Iterator[Picture]:
    return Reenactment(_other(material), material.person.points, size, seed, fps=fps)


def _swapped(material: Material, _size: Size, seed: int) -> Overlay:
    other = _other(material)
    swap = FaceSwap(other.picture, other.points, seed)
    points = material.person.points
    return lambda made, _: (swap.apply(made.picture, made.move(points[made.source_index])), True)


def _occluded(material: Material, _size: Size, seed: int) -> Overlay:
    swap = OccludedSwap(_other(material), seed)
    points = material.person.points
    return lambda made, time: swap.apply(made.picture, made.move(points[made.source_index]), time)


def _untouched(_material: Material, _size: Size, _seed: int) -> Overlay:
    return lambda made, _: (made.picture, False)


def _beautified(material: Material, _size: Size, _seed: int) -> Overlay:
    points, beauty = material.person.points, BeautyFilter()
    return lambda made, _: (beauty.apply(made.picture, made.move(points[made.source_index])), False)


def _blurred(material: Material, size: Size, seed: int) -> Overlay:
    background = OtherBackground(material.person, "blur", size, seed)
    return lambda made, _: (background.apply(made), False)


def _elsewhere(material: Material, size: Size, seed: int) -> Overlay:
    background = OtherBackground(material.person, "virtual", size, seed)
    return lambda made, _: (background.apply(made), False)


_OPENERS: dict[Species, Opener] = {
    PHOTO_IN_HAND: _held,
    BENT_PRINT: _bent,
    PHONE_REPLAY: _phone,
    MONITOR_REPLAY: _monitor,
    LOOPED_CLIP: partial(_looped, 0.0),
    FADED_LOOP: partial(_looped, 0.4),
    INJECTED_FILE: _injected,
    REENACTMENT: _reenacted,
}
_OVERLAYS: dict[Species, Callable[[Material, Size, int], Overlay]] = {
    FACE_SWAP: _swapped,
    OCCLUDED_SWAP: _occluded,
    MID_CALL_SWITCH: _swapped,
    EXTENSION: _untouched,
    BEAUTY_FILTER: _beautified,
    BACKGROUND_BLUR: _blurred,
    VIRTUAL_BACKGROUND: _elsewhere,
}

SPECIES: dict[str, Species] = {species.name: species for species in (*_OPENERS, *_OVERLAYS)}
"""Every test variant by name."""


def find_species(name: str) -> Species:
    """The species of this name, with or without ``:test``; raise NotFoundError."""
    found = SPECIES.get(name) or SPECIES.get(f"{name}:test")
    if found is None:
        known = ", ".join(one.removesuffix(":test") for one in SPECIES)
        msg = f"{name!a}: expected the name of a species, one of: {known}"
        raise NotFoundError(msg)
    return found


def open_species(
    species: Species,
    material: Material,
    size: Size,
    fps: float,
    seed: int,
    *,
    attack_at: Seconds | None = None,
) -> Iterator[TimedShot]:
    """Endless frames of a species, of ``size`` = (width, height) and about ``fps`` a second.

    Before ``attack_at`` (None: as the species has it) the person is bona fide. The same arguments make the
    same frames. What takes long, or fails, happens here and not at the first frame. Raises ShapeError where
    the material lacks what the species needs.
    """
    before = round(species.begins(attack_at) * fps)
    _require(species, material, switched=before > 0)
    if species in _OVERLAYS:
        person = Extension(material.person.clip, size, seed, fps)
        shots = _overlaid(person, _OVERLAYS[species](material, size, seed), fps, before=before)
    else:
        bona_fide = islice(Extension(material.person.clip, size, seed, fps), before) if before else ()
        shots = _cut_to(bona_fide, _OPENERS[species](material, size, fps, seed))
    return _timed(shots, species, fps, seed, before=before)


def _overlaid(person: Extension, overlay: Overlay, fps: float, *, before: int) -> Iterator[Shot]:
    for number, made in enumerate(person):
        picture, attack = (made.picture, False) if number < before else overlay(made, number / fps)
        yield Shot(picture, attack)


def _cut_to(bona_fide: Iterable[ExtendedFrame], attack: Iterator[Picture]) -> Iterator[Shot]:
    yield from (Shot(made.picture, attack=False) for made in bona_fide)
    yield from (Shot(picture, attack=True) for picture in attack)


def _timed(
    shots: Iterator[Shot], species: Species, fps: float, seed: int, *, before: int
) -> Iterator[TimedShot]:
    """A camera's clock, and from the switch on that of the attack."""
    rng = np.random.default_rng((seed, _CLOCK_SEED))
    camera, attacker = CAMERA.steps(fps, rng), species.timing.steps(fps, rng)
    at: Seconds = 0.0
    for number, shot in enumerate(shots):
        yield TimedShot(shot.picture, shot.attack, at)
        at += next(camera if number < before else attacker)


def _require(species: Species, material: Material, *, switched: bool) -> None:
    moving = species.needs is not Needs.STILL or switched
    if moving and len(material.person.clip) < 2:  # noqa: PLR2004 -- it moves
        msg = f"{species.name}: expected a clip of a person who moves, got one picture; give a video"
        raise ShapeError(msg)
    if species.needs is Needs.CLIP_AND_OTHER and material.other is None:
        msg = f"{species.name}: expected a photo of another person, got none; give one"
        raise ShapeError(msg)


def _other(material: Material) -> Still:
    if material.other is None:
        msg = "expected a photo of another person, got none; give one"
        raise ShapeError(msg)
    return material.other


def _portrait(material: Material) -> Picture:
    still = material.person.still()
    return portrait(still.picture, bounding_box(still.points))
