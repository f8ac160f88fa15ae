"""Still and planar motion: a photo moves as one plane and its lips and lids never deform; a person's do."""

from typing import ClassVar, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from guard.core.types import Cue, FaceView, Reason, Score
from guard.core.units import Seconds
from guard.core.windows import TimedWindow

# fmt: off
LIPS: Final = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 14, 87, 178, 88, 95,
)
EYES: Final = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466,
)
STEADY: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 109, 67, 103, 54, 21, 162, 127, 6, 197, 195, 5, 4, 1, 168,
    8, 9, 151, 234, 454, 93, 323, 98, 327, 2, 94, 50, 280, 118, 347, 117, 346,
)
"""Points of MediaPipe's face mesh: outlines of lips and lids, and forehead, temples, nose, cheeks."""
# fmt: on

_POINTS: Final = np.array(STEADY + LIPS + EYES)
_LIPS: Final = slice(len(STEADY), len(STEADY) + len(LIPS))
_EYES: Final = slice(len(STEADY) + len(LIPS), None)

SPAN_S: Final = 4.0
MIN_SPAN_S: Final = 3.0
MIN_SAMPLES: Final = 8

NOISE_SHARE: Final = 0.005
NOISE_PX: Final = 0.05
"""What a photo's landmarks jitter by, root mean square: this share of the face's radius plus so many pixels.

Measured on hand-held photos at 320x240, VP8 at 300 kbit/s, faces of 60 to 180 px.
"""

PLANE, LOOSE, ALIVE = 1.4, 2.2, 2.6
"""Deformation in units of that jitter: rigid up to the first, in doubt up to the third, then living.

Windows of hand-held photos stay under 1.5 (95 %), those of the worst sheet under 2.2; people who talk or
blink are over 2.6, one who hardly does comes down to 1.
"""

SETTLED: Final = 0.01
CARRIED: Final = 0.04
"""Movement of the face's middle over the window, in face widths: of a still face, of a carried one."""

SURE_AFTER_S: Final = 8.0
"""A rigid face weighs fully only once it stayed so: quiet listeners are rigid for some seconds too."""

LIFELESS_AFTER_S: Final = 16.0
"""Carried about and rigid for so long: nobody who is alive neither blinks nor moves a lip all that time."""

STILL_VALUE, PLANAR_VALUE, LIFELESS_VALUE = 0.6, 0.9, 0.985
STILL_WEIGHT, PLANAR_WEIGHT, LIFELESS_WEIGHT = 0.35, 0.6, 1.0
LIVE_VALUE, LIVE_WEIGHT = 0.2, 0.2

Tracks: TypeAlias = NDArray[np.float64]
"""Points over time, float64 (samples, points, 2)."""


class MotionDetector:
    """Watches how one face track's lips and lids move against the plane through the face."""

    cue: ClassVar[Cue] = Cue.MOTION

    def __init__(self) -> None:
        self._window: TimedWindow[NDArray[np.float32]] = TimedWindow(SPAN_S)
        self._rigid_since: Seconds | None = None
        self._size = (0, 0)

    def observe(self, face: FaceView, now: Seconds) -> Score | None:
        """A score once the window holds three seconds of good pictures; None before, and when in doubt."""
        if not face.quality.good:
            return None
        size = (face.frame.width, face.frame.height)
        if size != self._size:  # the sender changed its resolution: pixels of before do not compare
            self._window.clear()
            self._size = size
        self._window.add(now, face.points_px()[_POINTS])
        if self._window.duration < MIN_SPAN_S or len(self._window) < MIN_SAMPLES:
            self._rigid_since = None
            return None
        tracks = np.stack(self._window.values()).astype(np.float64)
        return self._judge(deformation(tracks), movement(tracks), now)

    def reset(self) -> None:
        """Forget everything: the track was cut."""
        self._window.clear()
        self._rigid_since = None

    def _judge(self, deformed: float, moved: float, now: Seconds) -> Score | None:
        if deformed >= ALIVE:
            self._rigid_since = None
            return Score(self.cue, LIVE_VALUE, LIVE_WEIGHT, Reason.LIVE_MOTION, self._window.duration)
        if self._rigid_since is None:
            self._rigid_since = now - self._window.duration
        lasted = now - self._rigid_since
        rigid = _ramp(deformed, LOOSE, PLANE) * _ramp(lasted, 0.0, SURE_AFTER_S)
        carried = _ramp(moved, SETTLED, CARRIED)
        lifeless = _ramp(lasted, SURE_AFTER_S, LIFELESS_AFTER_S) * carried
        value = _between(_between(STILL_VALUE, PLANAR_VALUE, carried), LIFELESS_VALUE, lifeless)
        weight = _between(_between(STILL_WEIGHT, PLANAR_WEIGHT, carried), LIFELESS_WEIGHT, lifeless) * rigid
        reason = Reason.PLANAR_MOTION if carried > 0.5 else Reason.STILL_FACE  # noqa: PLR2004 -- the nearer name
        return Score(self.cue, value, weight, reason, lasted) if weight > 0 else None


def deformation(tracks: Tracks) -> float:
    """How far lips and lids leave the best moving plane, in units of the jitter that a photo would show."""
    middle = tracks.mean(axis=1, keepdims=True)
    radii = np.sqrt(((tracks - middle) ** 2).sum(axis=2).mean(axis=1))[:, None, None]
    shapes = (tracks - middle) / radii
    left = shapes - on_plane(np.median(shapes, axis=0), shapes)
    power = (left**2).sum(axis=2)
    observed = np.sqrt((power[:, _LIPS].mean() + power[:, _EYES].mean()) / 2)
    return float(observed / (NOISE_SHARE + NOISE_PX / np.median(radii)))


def movement(tracks: Tracks) -> float:
    """Root mean square travel of the face's middle, in widths of the face."""
    middles = tracks.mean(axis=1)
    travel = np.sqrt(((middles - middles.mean(axis=0)) ** 2).sum(axis=1).mean())
    return float(travel / np.ptp(tracks[:, :, 0], axis=1).mean())


def on_plane(reference: NDArray[np.float64], shapes: Tracks) -> Tracks:
    """The reference (points, 2) moved by the homography that fits each shape best, (samples, points, 2).

    Least squares on the linearised equations (Hartley and Zisserman, Multiple View Geometry,
    2nd edition, 4.1), all samples at once.
    """
    samples, points, _ = shapes.shape
    known = np.hstack([reference, np.ones((points, 1))])
    system = np.zeros((samples, 2, points, 8))
    system[:, 0, :, 0:3] = known
    system[:, 1, :, 3:6] = known
    system[..., 6:8] = -shapes.transpose(0, 2, 1)[..., None] * reference
    equations = system.reshape(samples, 2 * points, 8)
    turned = equations.transpose(0, 2, 1)
    wanted = shapes.transpose(0, 2, 1).reshape(samples, 2 * points, 1)
    solved = np.linalg.solve(turned @ equations + 1e-9 * np.eye(8), turned @ wanted)[..., 0]
    moved = known @ solved[:, :6].reshape(samples, 2, 3).transpose(0, 2, 1)
    return np.asarray(moved / (1.0 + solved[:, 6:8] @ reference.T)[..., None], np.float64)


def _ramp(value: float, zero: float, one: float) -> float:
    """0 at ``zero``, 1 at ``one``, straight between, flat outside."""
    return min(1.0, max(0.0, (value - zero) / (one - zero)))


def _between(one: float, other: float, share: float) -> float:
    return one + (other - one) * share
