"""What ``guard publish --attack`` sends: the person of a file or a camera through a made attack."""

import threading
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, TypeAlias

from guard.cli.person import read_person
from guard.cli.publish.pictures import Pictures
from guard.config import FaceSettings
from guard.core.errors import MediaError, ShapeError
from guard.core.types import VideoFrame
from guard.core.units import Seconds
from guard.core.windows import Sampling
from guard.faces.pictures import as_frame
from guard.media.live import names_camera, open_live, without_credentials
from guard.media.sources import open_clip
from guard.simulate.testing.material import Material, Still
from guard.simulate.testing.species import SPECIES, Needs, Species, open_species

MOST_PIXELS = 640 * 360
"""Larger pictures are scaled down to about this: attacks are made in real time, on one core."""

MOST_FPS = 30.0
MOST_FRAMES = 300
"""So many pictures of the source are taken and kept: 10 s at 30 a second, about 200 MB."""

SEED = 1

Frames: TypeAlias = Generator[VideoFrame, None, None]


class UnusableMaterial(MediaError):  # noqa: N818 -- named as the condition, like UnsupportedCodec
    """A source or a photo cannot serve the attack that was asked for."""


@dataclass(frozen=True, slots=True)
class Attack:
    """Which attack, and what it needs beside the person."""

    species: Species
    face: Path | None = None
    """A photo of the other person."""
    at: Seconds | None = None
    """When it begins; None: as the species has it."""
    faces: FaceSettings = field(default_factory=FaceSettings)
    """How faces are found."""

    @property
    def begins(self) -> Seconds:
        """When it begins, whoever says so."""
        return self.species.begins(self.at)


def listed_fields() -> list[dict[str, Any]]:
    """The names that ``--attack`` takes, with what they are, in JSON."""
    return [
        {
            "name": one.name.removesuffix(":test"),
            "family": one.family,
            "summary": one.summary,
            "needs_face": one.needs is Needs.CLIP_AND_OTHER,
            "begins_s": one.switched_at,
        }
        for one in SPECIES.values()
    ]


def listed() -> str:
    """The same, for people."""
    needs = {Needs.CLIP_AND_OTHER: " Needs --face."}
    return "\n".join(
        f"{one.name.removesuffix(':test'):<19} {one.family or 'bona fide':<13} {one.summary}"
        f"{needs.get(one.needs, '')}"
        for one in SPECIES.values()
    )


def open_attack(source: str, attack: Attack, stopping: threading.Event) -> Pictures:
    """Read a file, or a camera, for ten seconds at most and make the attack of it; blocks meanwhile.

    Raises UnusableMaterial where the person found does not serve, MediaError where the source cannot be read.
    """
    frames, title, fps = _opened(source, stopping)
    with closing(frames):
        read = takewhile(lambda _: not stopping.is_set(), islice(frames, MOST_FRAMES))
        person = read_person(read, attack.faces, MOST_PIXELS)
    if person is None:
        msg = f"{title}: expected a person whose face can be seen, found none; give another source"
        raise UnusableMaterial(msg)
    other = None if attack.face is None else read_still(attack.face, attack.faces)
    height, width = person.clip[0].shape[:2]
    material, size = Material(person, other), (width, height)
    try:
        shots = open_species(attack.species, material, size, fps, SEED, attack_at=attack.at)
    except ShapeError as error:
        msg = f"{title}: {error}"
        raise UnusableMaterial(msg) from error
    made = (as_frame(shot.picture, shot.at) for shot in shots)
    note = _note(title, attack, len(person.clip) / fps)
    return Pictures(f"{title} as {attack.species.name}", size, fps, made, note)


def _note(title: str, attack: Attack, lasts: Seconds) -> str:
    """That the attack begins after all that the person is taken from; empty where it does not."""
    if attack.begins <= lasts:
        return ""
    return (
        f"{title}: its longest stretch with a face, {lasts:.1f} s, goes back and forth "
        f"until {attack.species.name} begins at {attack.begins:g} s"
    )


def _opened(source: str, stopping: threading.Event) -> tuple[Frames, str, float]:
    """Frames no faster than ``MOST_FPS``, the source's name, and their rate."""
    if names_camera(source):
        live = open_live(source, time.monotonic, stopping)
        rate = min(live.fps, MOST_FPS)
        due = Sampling(rate).due
        return (one for one in live.frames() if due(one.pts)), without_credentials(source), rate
    clip = open_clip(source)
    rate = MOST_FPS if clip.still else min(clip.fps, MOST_FPS)
    return clip.frames(Sampling(rate).due), clip.path.name, rate


def read_still(path: Path, settings: FaceSettings) -> Still:
    """The first picture of a file, and the face in it; raise UnusableMaterial where there is none."""
    with closing(open_clip(path).frames()) as frames:
        person = read_person(islice(frames, 1), settings)
    if person is None:
        msg = f"{path}: expected a photo in which a face can be seen, found none; give another"
        raise UnusableMaterial(msg)
    return person.still()
