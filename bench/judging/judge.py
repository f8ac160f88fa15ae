"""One picture through the product: its own decoder, landmarker, quality, crops, engines and calibration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bench.judging.coding import RUNGS, padded, send
from bench.judging.measures import feature_row, skin_ita
from bench.judging.rows import Row
from guard.config.settings import FaceSettings
from guard.core.errors import ConfigError, MediaError
from guard.core.geometry import Box
from guard.core.types import BLENDSHAPES, LANDMARKS, Cue, FaceView, Reason, Score, VideoFrame
from guard.core.units import FaceId
from guard.detectors.base import Detector
from guard.detectors.registry import TASK_OF, build_detectors
from guard.faces.landmarker import load_model
from guard.faces.pictures import face_luma, laplacian_variance
from guard.faces.quality import SHARPNESS_SIZE, at_one_exposure, judge_quality
from guard.faces.tracker import FaceTracker, crop_face
from guard.inference.open import open_engine
from guard.media.sources import open_clip

MARGIN = 1 / 3
"""A tight crop is looked at with so much of its longer side mirrored about it."""

LOOKS = 2
"""Looks for far faces take one size of tiles each."""

APART = 100.0
"""Seconds between pictures, for a tracker that is told the time: longer than it remembers anything."""

NEAR = 0.5
"""In a coded frame the face lies within this share of its size of where it was pasted."""

NO_SCORE = Score(Cue.FACE_MANIPULATION, 0.5, 0.0, Reason.NO_FACE)


@dataclass(frozen=True, slots=True)
class Setting:
    """Under which conditions a picture is judged."""

    codec: str = "none"
    face_px: int = 96
    """Longer side of the face in the coded frame; of no account without a codec."""
    whole: bool = False
    """The picture is the face's box: no landmarker."""

    def __str__(self) -> str:
        return self.codec if RUNGS[self.codec] is None else f"{self.codec} {self.face_px} px"


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one picture under one setting."""

    row: Row
    setting: Setting
    scores: Mapping[str, Score]
    """By engine; weight 0 where it abstains."""
    features: NDArray[np.float64] | None = None
    """Simple measures of the crop, see ``measures.FEATURES``; None without a face."""
    ita: float | None = None
    """Individual typology angle of the cheeks, degrees; None where it could not be measured."""
    luma: float | None = None
    """Mean luma of the face, 0..255."""


@dataclass(frozen=True, slots=True)
class Engines:
    """Which engines judge: each name may be several, joined by ``+``, that give one opinion together."""

    names: tuple[str, ...]
    folder: Path | None = None

    def open(self) -> dict[str, Detector]:
        """A detector for each name; raise ModelError or ConfigError."""
        return {name: self._detector(name) for name in self.names}

    def _detector(self, name: str) -> Detector:
        loaded = [open_engine(one, self.folder) for one in name.split("+")]
        tasks = [one.manifest.engine.task for one in loaded]
        if len(set(tasks)) > 1:
            msg = f"{name}: expected engines of one task, got {', '.join(tasks)}; name others in --engine"
            raise ConfigError(msg)
        cue = next(cue for cue, task in TASK_OF.items() if task == tasks[0])
        return build_detectors([(cue, one) for one in loaded])[0]


class PictureJudge:
    """Judges pictures one by one; belongs to one thread."""

    def __init__(self, engines: Engines, settings: FaceSettings, seed: int = 0) -> None:
        self._settings = settings
        self._seed = seed
        self._detectors = engines.open()
        self._tracker = FaceTracker(settings, load_model(settings), following=False)
        self._now = 0.0

    def close(self) -> None:
        """Release the models."""
        self._tracker.close()

    def judge(self, row: Row, setting: Setting) -> Judged:
        """Judge a picture; of a clip its first one. A file that cannot be read raises MediaError."""
        frame = next(open_clip(row.path).frames(), None)
        if frame is None:
            msg = f"{row.path}: expected a picture, got none; drop its row"
            raise MediaError(msg)
        face = self._face(frame, setting, seed=self._seed + crc32(row.path.name.encode()))
        if face is None:
            return Judged(row, setting, dict.fromkeys(self._detectors, NO_SCORE))
        scores = {name: self._score(detector, face) for name, detector in self._detectors.items()}
        return Judged(
            row,
            setting,
            scores,
            feature_row(face),
            None if setting.whole else skin_ita(face),
            face.quality.luma,
        )

    def _score(self, detector: Detector, face: FaceView) -> Score:
        detector.reset()
        return detector.observe(face, self._now) or NO_SCORE

    def _face(self, frame: VideoFrame, setting: Setting, seed: int) -> FaceView | None:
        """The face to be judged: of the picture as it is, or of the coded frame."""
        seen = self._whole(frame) if setting.whole else self._largest(frame)
        if seen is None or RUNGS[setting.codec] is None:
            return seen
        # ``seen`` may be of the picture with a margin; what is sent is the picture
        sent = send(*_without_margin(frame, seen), setting.face_px, setting.codec, seed)
        if setting.whole:
            return self._whole(sent.picture())
        found = [face for face in self._views(sent.frame) if _is_at(face.box, sent.face)]
        if not found:
            return None
        face = max(found, key=lambda one: one.box.overlap(sent.face))
        box = _moved(face.box, -sent.shown.x1, -sent.shown.y1)
        # what the picture does not hold is filled as the manifest states, not by the background
        return replace(face, crop=partial(crop_face, sent.picture(), box))

    def _largest(self, frame: VideoFrame) -> FaceView | None:
        """The largest face; where none is whole, that of the picture with a mirrored margin."""
        face = _largest_of(self._views(frame))
        if face is not None and Reason.OUT_OF_FRAME not in face.quality.reasons:
            return face
        margin = 2 * round(max(frame.width, frame.height) * MARGIN / 2)
        inner = Box(margin, margin, margin + frame.width, margin + frame.height)
        wider = self._views(padded(frame, margin))
        return _largest_of([one for one in wider if _holds(inner, one.box)]) or face

    def _views(self, frame: VideoFrame) -> Sequence[FaceView]:
        for _ in range(LOOKS):
            self._now += APART
            if views := self._tracker.observe(frame, self._now):
                return views
        return ()

    def _whole(self, frame: VideoFrame) -> FaceView:
        """A view of a picture that is the face's box; its landmarks, unknown, all lie in the middle."""
        box = Box(0, 0, frame.width, frame.height)
        luma = face_luma(frame, box, SHARPNESS_SIZE)
        light = float(luma.mean())
        pose = np.eye(4, dtype=np.float32)
        quality = judge_quality(
            box,
            pose,
            sharpness=at_one_exposure(laplacian_variance(luma), light),
            luma=light,
            inside=1.0,
            settings=self._settings,
        )
        return FaceView(
            face_id=FaceId(1),
            box=box,
            landmarks=np.full((LANDMARKS, 3), 0.5, np.float32),
            blendshapes=np.zeros(BLENDSHAPES, np.float32),
            pose=pose,
            quality=quality,
            frame=frame,
            crop=partial(crop_face, frame, box),
        )


def _largest_of(views: Sequence[FaceView]) -> FaceView | None:
    return max(views, key=lambda face: face.box.size, default=None)


def _without_margin(frame: VideoFrame, seen: FaceView) -> tuple[VideoFrame, Box]:
    """The picture, and the face's box in it."""
    margin = (seen.frame.width - frame.width) / 2
    return frame, _moved(seen.box, -margin, -margin)


def _moved(box: Box, x: float, y: float) -> Box:
    return Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y)


def _holds(outer: Box, box: Box) -> bool:
    x, y = box.centre
    return outer.x1 <= x <= outer.x2 and outer.y1 <= y <= outer.y2


def _is_at(box: Box, place: Box) -> bool:
    return float(np.hypot(*np.subtract(box.centre, place.centre))) <= NEAR * place.size


def settings_of(
    codecs: Sequence[str], sizes: Sequence[int], at: tuple[str, int], *, whole: bool
) -> Iterator[Setting]:
    """The ladder: each codec at one size, then each size through one codec; none twice."""
    codec, face_px = at
    settings = [Setting(name, face_px, whole) for name in codecs]
    settings += [Setting(codec, size, whole) for size in sizes]
    yield from dict.fromkeys(settings)
