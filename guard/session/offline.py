"""Files through the pipeline of a live call, in media time: as fast as it goes, the same in every run."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeAlias

from guard.config import Settings
from guard.core.errors import MediaError
from guard.core.types import Family
from guard.core.units import FaceId, Seconds
from guard.core.windows import Sampling
from guard.decision.coverage import LONGEST_STEP
from guard.decision.perface import FaceJudges
from guard.detectors.base import Detector
from guard.detectors.registry import Noted, build_detectors
from guard.faces.landmarker import load_model
from guard.faces.tracker import FaceTracker
from guard.flow.ahead import ahead
from guard.media.sources import Clip, Reading, open_clip
from guard.session.findings import (
    NO_VIDEO,
    STILL_PICTURE,
    AlertLog,
    FaceFinding,
    FileFinding,
    Stretch,
    Stretches,
)
from guard.session.networks import open_networks
from guard.session.opinions import Opinions
from guard.session.pipeline import FaceSource, Pipeline, Verdict
from guard.session.provenance import Provenance, provenance_of

DECODED_AHEAD = 8
"""Frames that wait to be analysed; the decoder waits while there are so many."""

THE_FILE = "file"
"""Subject of alerts about all faces together."""

OnProgress: TypeAlias = Callable[[Seconds, Seconds | None], None]
"""Told the media time reached and the length of the file, where it is known."""


class Analyser:
    """Analyses files one after the other; to be used in one thread."""

    def __init__(
        self,
        settings: Settings,
        make_faces: Callable[[], FaceSource],
        make_detectors: Callable[[Noted], tuple[Detector, ...]],
        provenance: Provenance,
    ) -> None:
        self._settings = settings
        self._make_faces = make_faces
        self._make_detectors = make_detectors
        self.provenance = provenance

    def analyse(self, path: Path, on_progress: OnProgress = lambda _at, _length: None) -> FileFinding:
        """Analyse one file; raise MediaError where no picture of it can be read."""
        clip = open_clip(path, self._settings.media.max_pixels)
        watch = _Watch(self._settings, file_sha256(path), clip)
        make_detectors = partial(self._make_detectors, watch.opinions.noted)
        pipeline = Pipeline(self._make_faces, make_detectors, watch.judges, clock=lambda: 0.0)
        frames = clip.frames(Sampling(self._settings.analysis.fps).due, watch.reading)
        try:
            with ahead(frames, DECODED_AHEAD, "decode-ahead") as decoded:
                for frame in decoded:
                    watch.take(pipeline.observe(frame), frame.pts)
                    on_progress(frame.pts, clip.duration)
        finally:
            pipeline.close()
        return watch.finding(self.provenance)


class _Watch:
    """Notes what is thought of one file while it passes."""

    def __init__(self, settings: Settings, sha256: str, clip: Clip) -> None:
        self.judges = FaceJudges(settings.decision)
        self.reading = Reading()
        self.opinions = Opinions()
        self._sha256 = sha256
        self._clip = clip
        self._second_asked = bool(settings.analysis.second_opinions)
        self._min_coverage = settings.decision.min_coverage
        self._alerts = AlertLog(sha256, settings.alerts)
        self._stretches = Stretches()
        self._analysed = 0
        self._judged: Seconds = 0.0
        self._newest: Seconds = 0.0
        """Media time of the newest analysed frame."""

    def take(self, verdict: Verdict, now: Seconds) -> None:
        """Note what was thought of the frame at ``now``."""
        for face_id, step in self.judges.take_transitions_of_faces():
            self._alerts.take(_subject(face_id), step)
        for step in verdict.transitions:
            if step.family is Family.GUARD:
                self._alerts.take(THE_FILE, step)
        self._account(now)
        self._analysed += 1

    def finding(self, provenance: Provenance) -> FileFinding:
        """What was found, once the file has passed."""
        one_only = (Stretch(0.0, self.reading.seconds, (STILL_PICTURE,)),)
        return FileFinding(
            sha256=self._sha256,
            clip=self._clip,
            reading=self.reading,
            analysed=self._analysed,
            faces=tuple(self._faces()),
            guard_alerts=self._alerts.of(THE_FILE),
            coverage=min(self._judged / self._newest, 1.0) if self._newest > 0 else 0.0,
            stretches=tuple(self._stretches) if self._analysed > 1 else one_only,
            min_coverage=self._min_coverage,
            provenance=provenance,
        )

    def _account(self, now: Seconds) -> None:
        begin, self._newest = self._newest, now
        if now - begin > LONGEST_STEP:
            self._stretches.add(begin, now - LONGEST_STEP, (NO_VIDEO,))
            begin = now - LONGEST_STEP
        step = self.judges.newest
        if step.judged:
            self._judged += step.length
        elif now > begin:
            self._stretches.add(begin, now, step.obstacles)

    def _faces(self) -> Iterator[FaceFinding]:
        for face_id, track in self.judges.tracks.items():
            headline = track.headline(self._min_coverage)
            alerts = self._alerts.of(_subject(face_id))
            opinions = self.opinions.of(face_id) if self._second_asked else None
            yield FaceFinding(face_id, headline, track.samples, alerts, opinions)


def open_analyser(settings: Settings) -> Analyser:
    """Load the face model and the engines; raise ModelError, ConfigError or EnvironmentProblem."""
    networks = open_networks(settings.analysis)
    manifests = tuple(loaded.manifest.engine for _, loaded in networks)
    return Analyser(
        settings,
        partial(FaceTracker, settings.faces, load_model(settings.faces)),
        partial(build_detectors, networks),
        provenance_of(settings, manifests),
    )


def file_sha256(path: Path) -> str:
    """The digest of a file's bytes, hexadecimal; raise MediaError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"{path}: expected a readable file, got {error.strerror}; check its rights"
        raise MediaError(msg) from error


def _subject(face_id: FaceId) -> str:
    return f"face-{face_id}"
