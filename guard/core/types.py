"""What flows: frames, faces, scores, assessments. Frozen, slotted, checked where they are built."""

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from guard.core.errors import ShapeError
from guard.core.geometry import Box
from guard.core.units import FaceId, Seconds

Plane: TypeAlias = NDArray[np.uint8]
"""One plane of a YUV picture, uint8 (rows, columns), rows top to bottom, possibly a view."""

Picture: TypeAlias = NDArray[np.uint8]
"""An RGB picture, uint8 (height, width, 3), rows top to bottom."""

LANDMARKS = 478
"""Points of MediaPipe's face mesh with irises."""

BLENDSHAPES = 52
"""Coefficients of MediaPipe's face landmarker, in its order; see ``guard.faces.landmarker``."""


@unique
class Family(StrEnum):
    """What an alert is about (ISO/IEC 30107-3 presentation, CEN/TS 18099 injection)."""

    PRESENTATION = "presentation"
    MANIPULATION = "manipulation"
    INJECTION = "injection"
    VOICE = "voice"
    GUARD = "guard"


@unique
class Cue(StrEnum):
    """What a detector looks at."""

    FACE_MANIPULATION = "face_manipulation"
    FACE_PRESENTATION = "face_presentation"
    SECOND_MANIPULATION = "second_manipulation"
    SECOND_PRESENTATION = "second_presentation"
    BLINK = "blink"
    MOTION = "motion"


FAMILY_OF: dict[Cue, Family] = {
    Cue.FACE_MANIPULATION: Family.MANIPULATION,
    Cue.FACE_PRESENTATION: Family.PRESENTATION,
    Cue.SECOND_MANIPULATION: Family.MANIPULATION,
    Cue.SECOND_PRESENTATION: Family.PRESENTATION,
    Cue.BLINK: Family.PRESENTATION,
    Cue.MOTION: Family.PRESENTATION,
}
"""The family that a cue speaks about."""

SECOND: frozenset[Cue] = frozenset({Cue.SECOND_MANIPULATION, Cue.SECOND_PRESENTATION})
"""What further engines say beside the one of their family: a second opinion on the same picture."""

LEARNED: frozenset[Cue] = frozenset({Cue.FACE_MANIPULATION, Cue.FACE_PRESENTATION})
"""What the first engine of each family says; cues that are neither these nor ``SECOND`` are weight-free."""


@unique
class Reason(StrEnum):
    """Why a face could not be judged, or why a cue says what it says."""

    NO_FACE = "no_face"
    TOO_SMALL = "too_small"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BLURRED = "blurred"
    TURNED = "turned"
    OUT_OF_FRAME = "out_of_frame"
    WARMING_UP = "warming_up"
    DECODE_TROUBLE = "decode_trouble"
    ANALYSIS_TROUBLE = "analysis_trouble"
    OVERLOAD = "overload"
    UNSTABLE = "unstable"
    LEARNED_SCORE = "learned_score"
    SPIKE = "spike"
    NO_BLINK = "no_blink"
    BLINKS = "blinks"
    STILL_FACE = "still_face"
    PLANAR_MOTION = "planar_motion"
    LIVE_MOTION = "live_motion"


@unique
class State(StrEnum):
    """What we say of a participant."""

    BONA_FIDE = "bona_fide"
    SUSPICIOUS = "suspicious"
    ATTACK = "attack"
    INSUFFICIENT = "insufficient"


def require_shape(name: str, array: NDArray[np.generic], shape: tuple[int, ...], dtype: type) -> None:
    """Raise ShapeError unless ``array`` has this shape and dtype."""
    if array.shape != shape or array.dtype != np.dtype(dtype):
        msg = (
            f"{name}: expected {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}; "
            f"convert it before it is handed in"
        )
        raise ShapeError(msg)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One decoded picture as YUV 4:2:0 planes (BT.601, limited range unless ``full_range``).

    ``y`` is uint8 (height, width); ``u`` and ``v`` are uint8 (ceil(height/2), ceil(width/2)). The planes
    may be views of a decoder's memory: they are valid as long as this object lives and must not be written.
    """

    y: Plane
    u: Plane
    v: Plane
    pts: Seconds
    """Media time of the sender, seconds since its first frame."""
    arrived_at: Seconds
    """When the last packet of the picture arrived, monotonic."""
    decoded_at: Seconds
    """When the decoder handed it out, monotonic."""
    captured_at: Seconds | None = None
    """Sender's clock at capture, where it is known."""
    full_range: bool = False

    def __post_init__(self) -> None:
        if self.y.ndim != 2:  # noqa: PLR2004 -- a plane has two axes
            msg = f"VideoFrame.y: expected uint8 (height, width), got {self.y.dtype} {self.y.shape}"
            raise ShapeError(msg)
        half = ((self.height + 1) // 2, (self.width + 1) // 2)
        require_shape("VideoFrame.y", self.y, (self.height, self.width), np.uint8)
        require_shape("VideoFrame.u", self.u, half, np.uint8)
        require_shape("VideoFrame.v", self.v, half, np.uint8)

    @property
    def width(self) -> int:
        """Columns of the picture."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """Rows of the picture."""
        return int(self.y.shape[0])


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be seen; empty ``reasons`` means good enough to be judged."""

    size_px: float
    """Longer side of the face box in pixels of the frame."""
    sharpness: float
    """Variance of the Laplacian of the face's luma at 96 px in common light, 8-bit units squared."""
    luma: float
    """Mean luma of the face, 0..255."""
    yaw: float
    """Turn to the side, degrees; 0 is frontal."""
    pitch: float
    """Nod, degrees; 0 is level."""
    reasons: tuple[Reason, ...] = ()

    @property
    def good(self) -> bool:
        """Whether this face can be judged."""
        return not self.reasons


Border: TypeAlias = Literal["reflect", "shift"]
"""How a crop stays in the frame. ``reflect``: the square about the box, the frame mirrored beyond its edges.
``shift``: the box itself, in its shape, as large as the frame holds, moved inside, squeezed to a square."""


class Cropper(Protocol):
    """Cuts a square picture of the face and its surroundings."""

    def __call__(self, scale: float, size: int, border: Border = "reflect", /) -> Picture:
        """The box times ``scale`` in RGB, uint8 (size, size, 3)."""


@dataclass(frozen=True, slots=True)
class FaceView:
    """One face in one frame."""

    face_id: FaceId
    box: Box
    """Around the landmarks, pixels of the frame."""
    landmarks: NDArray[np.float32]
    """(478, 3): x, y normalised 0..1 by the frame's width and height, z on the scale of x."""
    blendshapes: NDArray[np.float32]
    """(52,): 0..1 in MediaPipe's order."""
    pose: NDArray[np.float32]
    """(4, 4): head to camera, centimetres; identity where unknown."""
    quality: Quality
    frame: VideoFrame
    crop: Cropper = field(repr=False)

    def __post_init__(self) -> None:
        require_shape("FaceView.landmarks", self.landmarks, (LANDMARKS, 3), np.float32)
        require_shape("FaceView.blendshapes", self.blendshapes, (BLENDSHAPES,), np.float32)
        require_shape("FaceView.pose", self.pose, (4, 4), np.float32)

    def points_px(self) -> NDArray[np.float32]:
        """Landmarks as float32 (478, 2), x and y in pixels of the frame."""
        scale = np.array([self.frame.width, self.frame.height], np.float32)
        return self.landmarks[:, :2] * scale


@dataclass(frozen=True, slots=True)
class Score:
    """One detector's opinion of one face over a window."""

    cue: Cue
    value: float
    """0 (bona fide) .. 1 (attack)."""
    weight: float
    """0 (abstains) .. 1."""
    reason: Reason
    window: Seconds = 0.0
    """Length of time looked at."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.value <= 1.0 and 0.0 <= self.weight <= 1.0):
            msg = f"Score: expected value and weight in 0..1, got {self.value} and {self.weight}"
            raise ShapeError(msg)

    @property
    def family(self) -> Family:
        """The family that this cue speaks about."""
        return FAMILY_OF[self.cue]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one cue adds to a family's log-odds at one moment."""

    cue: Cue
    value: float
    weight: float
    log_odds: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is thought of one face track, or of a participant by its worst face."""

    at: Seconds
    deepfake: float
    """P(manipulation), 0..1."""
    liveness: float
    """1 - max(P(presentation), P(injection)), 0..1."""
    state: State
    coverage: float
    """Share of the last 5 s that could be judged, 0..1."""
    reasons: tuple[Reason, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    face_id: FaceId | None = None
    """None for a participant in whom no face was seen."""

    @property
    def told_liveness(self) -> float | None:
        """``liveness`` as it is told, to three decimals; None where there is too little to judge by."""
        return self._told(self.liveness)

    @property
    def told_deepfake(self) -> float | None:
        """``deepfake``, else as ``told_liveness``."""
        return self._told(self.deepfake)

    def _told(self, score: float) -> float | None:
        # without evidence a score is the prior, which looks like a finding
        return None if self.state is State.INSUFFICIENT else round(score, 3)


@unique
class TransitionKind(StrEnum):
    """What happens to an alert."""

    RAISE = "raise"
    UPDATE = "update"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Transition:
    """One step in the life of one participant's suspicion of one family."""

    family: Family
    kind: TransitionKind
    at: Seconds
    probability: float
    """Of the family, 0..1; for ``Family.GUARD`` the share that could not be judged."""
    severity: int
    """OCSF severity, 2 (one cue, and no learned score over its threshold) .. 5."""
    coverage: float
    """Share of the last 5 s that could be judged, 0..1."""
    contributions: tuple[Contribution, ...] = ()
    reasons: tuple[Reason, ...] = ()
    face_id: FaceId | None = None
