"""Clips as calls: a person, bona fide or attacked by a test variant, coded, and judged by the pipeline."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path

from guard.cli.person import read_person
from guard.config import AnalysisSettings, Settings
from guard.core.errors import GuardError, MediaError
from guard.core.geometry import even_size
from guard.core.types import Cue, Family, Score, TransitionKind, VideoFrame
from guard.core.units import Seconds
from guard.core.windows import Sampling
from guard.decision.judge import ParticipantJudge
from guard.detectors.registry import build_detectors
from guard.faces.landmarker import load_model
from guard.faces.pictures import as_frame
from guard.faces.tracker import FaceTracker
from guard.inference.open import LoadedEngine
from guard.media.decode import Decoding
from guard.media.encode import VideoEncoder
from guard.media.sources import open_clip
from guard.session.networks import open_networks
from guard.session.pipeline import Pipeline
from guard.simulate.testing.material import Material, Person, TimedShot
from guard.simulate.testing.species import Species, open_species

FPS = 30.0
BITRATE = 500_000
"""Pictures and bits a second, as in a call: fewer pictures would get more bits each."""

AREA = 640 * 360
"""Pixels of the call's frames; the clip keeps its aspect."""

READ_S: Seconds = 6.0
"""So much of a clip is read; the rest of a run is its extension."""

CUES = {Family.MANIPULATION: Cue.FACE_MANIPULATION, Family.PRESENTATION: Cue.FACE_PRESENTATION}
"""The learned cue of each family that has one."""


@dataclass(frozen=True, slots=True)
class Call:
    """One run: which clip, and what is done to it."""

    clip: Path
    other: Path
    """Whose face is put on."""
    species: Species
    seconds: Seconds
    attack_at: Seconds | None
    """None: as the species has it."""
    seed: int
    analysis: AnalysisSettings
    """Which engines judge."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What one analysed frame gave."""

    at: Seconds
    attack: bool
    """Whether the attack shows in it."""
    learned: dict[Family, float | None]
    """P(attack) of the family's engine on the worst face; None where it abstains or sees none."""
    fused: dict[Family, float]
    """P of the family with all cues and over time, as the call is judged."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What one run gave."""

    call: Call
    moments: tuple[Moment, ...]
    raised: tuple[tuple[Family, Seconds], ...]
    trouble: str = ""
    """Why it could not be made."""

    @property
    def attack_begins(self) -> Seconds:
        """When the attack was first seen; never in a bona fide run."""
        return next((one.at for one in self.moments if one.attack), math.inf)

    def is_detected(self, family: Family) -> bool:
        """Whether an alert rose once the attack showed."""
        return any(kind is family and at >= self.attack_begins for kind, at in self.raised)

    def wrongly_raised(self) -> list[tuple[Family, Seconds]]:
        """Alerts of the learned engines' families that rose while the person was bona fide."""
        return [(kind, at) for kind, at in self.raised if kind in CUES and at < self.attack_begins]


def watch(call: Call) -> Watched:
    """Make the call and judge it; a clip without a face to work with is told, not raised."""
    try:
        material = Material(_person(call.clip), _person(call.other).still())
        height, width = material.person.clip[0].shape[:2]
        size = even_size(width, height, AREA, enlarge=True)
        pictures = open_species(call.species, material, size, FPS, call.seed, attack_at=call.attack_at)
        return _judged(call, takewhile(lambda shot: shot.at < call.seconds, pictures))
    except GuardError as error:
        return Watched(call, (), (), str(error))


def _judged(call: Call, pictures: Iterator[TimedShot]) -> Watched:
    settings = Settings()
    pipeline = Pipeline(
        partial(FaceTracker, settings.faces, load_model(settings.faces)),
        partial(build_detectors, _networks(call.analysis)),
        ParticipantJudge(settings.decision),
        lambda: 0.0,
    )
    moments, raised = [], []
    due = Sampling(settings.analysis.fps).due
    try:
        for frame, attack in _coded(pictures):
            if not due(frame.pts):
                continue
            sighting = pipeline.look(frame)
            verdict = pipeline.judge(sighting)
            steps = (step for step in verdict.transitions if step.kind is TransitionKind.RAISE)
            raised += [(step.family, step.at) for step in steps]
            fused = {
                Family.MANIPULATION: verdict.assessment.deepfake,
                Family.PRESENTATION: 1.0 - verdict.assessment.liveness,
            }
            scores = [score for one in sighting.observations for score in one.scores]
            moments.append(Moment(frame.pts, attack, _spoken(scores), fused))
    finally:
        pipeline.close()
    return Watched(call, tuple(moments), tuple(raised))


def _spoken(scores: Sequence[Score]) -> dict[Family, float | None]:
    said = [score for score in scores if score.weight > 0]
    return {
        family: max((score.value for score in said if score.cue is cue), default=None)
        for family, cue in CUES.items()
    }


def _coded(pictures: Iterator[TimedShot]) -> Iterator[tuple[VideoFrame, bool]]:
    """The pictures after a call's codec, and whether the attack shows."""
    encoder: VideoEncoder | None = None
    settings = Settings()
    decoding = Decoding(settings.media.max_pixels)
    for shot in pictures:
        height, width = shot.picture.shape[:2]
        encoder = encoder or VideoEncoder("vp8", width, height, FPS, BITRATE)
        for unit in encoder.encode(as_frame(shot.picture, shot.at)):
            for picture in decoding.decode(unit) or ():
                yield decoding.frame(picture, shot.at), shot.attack


def require_face(path: Path) -> None:
    """Raise MediaError where the clip cannot be read or shows no face; it is read until the first one."""
    settings = Settings().faces
    with FaceTracker(settings, load_model(settings)) as tracker:
        if not any(tracker.observe(frame, frame.pts) for frame in _begin(path)):
            raise _faceless(path)


@lru_cache(maxsize=4)
def _person(path: Path) -> Person:
    """The person of a clip's first seconds."""
    found = read_person(_begin(path), Settings().faces, AREA)
    if found is None:
        raise _faceless(path)
    return found


def _begin(path: Path) -> Iterator[VideoFrame]:
    return takewhile(lambda one: one.pts <= READ_S, open_clip(path).frames(Sampling(FPS).due))


def _faceless(path: Path) -> MediaError:
    return MediaError(f"{path}: expected a face in the first {READ_S:g} s, found none; take this clip out")


@lru_cache(maxsize=2)
def _networks(analysis: AnalysisSettings) -> tuple[tuple[Cue, LoadedEngine], ...]:
    return open_networks(analysis)
