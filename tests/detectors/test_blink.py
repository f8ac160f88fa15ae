"""Tests of the blink cue."""

from pathlib import Path

import numpy as np
import pytest

from guard.core.blendshapes import BLENDSHAPE_NAMES
from guard.core.types import Reason, Score
from guard.detectors import blink
from guard.detectors.blink import BlinkDetector
from tests.support.faces_moving import BLURRED, GOOD, Hold, face_view, seen, solid_face

pytestmark = pytest.mark.unit

FACE = seen(solid_face(), Hold())
FPS = 8.0


def watch(
    detector: BlinkDetector,
    closures: list[float],
    *,
    start: float = 0.0,
    fps: float = FPS,
    good: bool = True,
) -> list[Score | None]:
    quality = GOOD if good else BLURRED
    return [
        detector.observe(
            face_view(FACE, quality, {"eyeBlinkLeft": value, "eyeBlinkRight": value}), start + index / fps
        )
        for index, value in enumerate(closures)
    ]


def eyes(seconds: float, open_at: float = 0.1, every_s: float = 4.0, fps: float = FPS) -> list[float]:
    """Closures over time, with a blink of two samples every so often."""
    count = round(seconds * fps)
    period = round(every_s * fps)
    return [0.6 if index % period in (period - 2, period - 1) else open_at for index in range(count)]


def test_a_blinking_face_scores_low() -> None:
    detector = BlinkDetector()
    last = watch(detector, eyes(20))[-1]
    assert last is not None
    assert (last.reason, last.value < 0.5) == (Reason.BLINKS, True)
    assert detector.blinks == 4  # the last one has not opened again


def test_there_is_no_opinion_before_ten_seconds_without_a_blink() -> None:
    assert watch(BlinkDetector(), [0.1] * 79) == [None] * 79


def test_the_lack_of_blinks_weighs_more_and_more_but_never_decides() -> None:
    scores = [score for score in watch(BlinkDetector(), [0.1] * 400) if score is not None]
    weights = [score.weight for score in scores]
    assert {score.reason for score in scores} == {Reason.NO_BLINK}
    assert weights == sorted(weights)
    assert weights[0] < 0.12
    assert weights[-1] == pytest.approx(0.5)
    assert max(score.value for score in scores) < 0.85


def test_a_blink_ends_the_suspicion() -> None:
    detector = BlinkDetector()
    suspected = watch(detector, [0.1] * 120)[-1]
    blinked = watch(detector, [0.7, 0.7, 0.1], start=15.0)[-1]
    assert suspected is not None
    assert blinked is not None
    assert (suspected.reason, blinked.reason) == (Reason.NO_BLINK, Reason.BLINKS)


@pytest.mark.parametrize("open_at", [0.02, 0.3, 0.45])
def test_the_threshold_follows_each_persons_open_eye(open_at: float) -> None:
    detector = BlinkDetector()
    watch(detector, [closure + open_at - 0.1 for closure in eyes(10)])
    assert detector.blinks == 2


def test_a_photos_jitter_is_no_blink() -> None:
    detector = BlinkDetector()
    rng = np.random.default_rng(3)
    watch(detector, list(0.2 + rng.uniform(-0.07, 0.07, 400)))
    assert detector.blinks == 0


def test_a_long_look_down_is_no_blink() -> None:
    detector = BlinkDetector()
    watch(detector, [0.1] * 20 + [0.6] * 12 + [0.1] * 20)
    assert detector.blinks == 0


def test_bad_pictures_give_no_opinion_and_no_time() -> None:
    detector = BlinkDetector()
    watch(detector, [0.1] * 40)
    assert watch(detector, [0.1] * 200, start=5.0, good=False) == [None] * 200
    assert watch(detector, [0.1] * 30, start=30.0)[-1] is None


def test_looks_too_far_apart_see_no_blinks_and_count_no_time() -> None:
    assert watch(BlinkDetector(), [0.1] * 100, fps=2.0) == [None] * 100


def test_reset_forgets() -> None:
    detector = BlinkDetector()
    watch(detector, eyes(20))
    detector.reset()
    assert (detector.blinks, watch(detector, [0.1] * 10, start=20.0)) == (0, [None] * 10)


def test_no_cue_reads_a_blendshape_of_feeling() -> None:
    allowed = ("eyeBlink", "eyeLook", "jaw", "mouth")
    feeling = ("mouthSmile", "mouthFrown")
    sources = Path(blink.__file__).parent.glob("*.py")
    named = {name for path in sources for name in BLENDSHAPE_NAMES[1:] if name in path.read_text()}
    assert named, "the search finds none at all"
    assert all(name.startswith(allowed) and not name.startswith(feeling) for name in named)


def test_only_blendshapes_of_the_lids_are_read() -> None:
    assert set(blink.BLENDSHAPES_USED) == {"eyeBlinkLeft", "eyeBlinkRight"} <= set(BLENDSHAPE_NAMES)
    detector, other = BlinkDetector(), BlinkDetector()
    rest = {name: 0.9 for name in BLENDSHAPE_NAMES if name not in blink.BLENDSHAPES_USED}
    for index in range(120):
        plain = detector.observe(face_view(FACE), index / FPS)
        grimacing = other.observe(face_view(FACE, GOOD, rest), index / FPS)
        assert plain == grimacing
