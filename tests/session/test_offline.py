"""Drawn clips through the pipeline, with scripted faces."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from guard.config import Settings
from guard.core.errors import MediaError
from guard.core.types import FaceView, Reason, State, VideoFrame
from guard.core.units import FaceId, Seconds
from guard.detectors.registry import Noted
from guard.session.findings import NO_VIDEO, STILL_PICTURE, FileFinding
from guard.session.offline import Analyser
from tests.support.clips import write_clip, write_picture
from tests.support.findings import PROVENANCE
from tests.support.scripted import ScriptedDetector, ScriptedFaces, view_of

pytestmark = pytest.mark.media


class TimedFaces(ScriptedFaces):
    """Shows the faces that a rule names for the time of the frame."""

    def __init__(self, ids_at: Callable[[Seconds], tuple[FaceId, ...]]) -> None:
        super().__init__()
        self._ids_at = ids_at

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        return tuple(view_of(frame, face_id) for face_id in self._ids_at(now))


def one_face(_now: Seconds) -> tuple[FaceId, ...]:
    return (1,)


def analyser(value: float = 0.05, ids_at: Callable[[Seconds], tuple[FaceId, ...]] = one_face) -> Analyser:
    return Analyser(Settings(), partial(TimedFaces, ids_at), lambda _: (ScriptedDetector(value),), PROVENANCE)


def analysed(
    path: Path, value: float = 0.05, ids_at: Callable[[Seconds], tuple[FaceId, ...]] = one_face
) -> FileFinding:
    return analyser(value, ids_at).analyse(path)


def clip(tmp_path: Path, seconds: float, fps: int = 8) -> Path:
    return write_clip(tmp_path / "clip.mkv", round(seconds * fps), (64, 48), fps=fps)


def test_a_quiet_face_is_no_finding(tmp_path: Path):
    finding = analysed(clip(tmp_path, 10))
    assert (finding.state, finding.coverage, finding.stretches) == (State.BONA_FIDE, 1.0, ())
    assert (finding.name, finding.reading.frames, finding.analysed) == ("clip.mkv", 80, 80)
    assert finding.reading.seconds == 9.875
    assert finding.clean


def test_a_loud_face_is_raised_in_media_time(tmp_path: Path):
    finding = analysed(clip(tmp_path, 10), 0.999)
    (alert,) = finding.alerts
    assert finding.state is State.ATTACK
    assert 2.0 < alert.raised_at < 5.0
    assert alert.cleared_at is None
    assert not finding.clean


def test_two_runs_give_the_same_fields(tmp_path: Path):
    path = clip(tmp_path, 10)
    first, second = (json.dumps(analysed(path, 0.999).as_fields()) for _ in range(2))
    assert first == second


def test_all_frames_are_decoded_and_those_of_the_grid_are_analysed(tmp_path: Path):
    finding = analysed(clip(tmp_path, 5, fps=30))
    assert (finding.reading.frames, finding.analysed) == (150, 40)


def test_each_face_track_has_an_entry_of_its_own(tmp_path: Path):
    finding = analysed(clip(tmp_path, 12), ids_at=lambda now: (1, 2) if now < 6 else (2, 3))
    assert [face.face_id for face in finding.faces] == [1, 2, 3]
    assert [face.samples[0].at for face in finding.faces] == [0.0, 0.0, 6.0]
    assert [face.samples[-1].at for face in finding.faces] == [5.875, 11.875, 11.875]


def test_time_without_a_face_is_told(tmp_path: Path):
    finding = analysed(clip(tmp_path, 10), ids_at=lambda now: () if 4 <= now < 6 else (1,))
    (stretch,) = finding.stretches
    assert (stretch.begin, stretch.end, stretch.reasons) == (3.875, 5.875, (Reason.NO_FACE,))
    assert finding.coverage == pytest.approx(0.8, abs=0.01)


def test_a_file_without_any_face_is_raised_as_not_judgeable(tmp_path: Path):
    finding = analysed(clip(tmp_path, 40), ids_at=lambda _now: ())
    assert finding.faces == ()
    assert finding.state is State.INSUFFICIENT
    assert [(alert.family, alert.raised_at) for alert in finding.guard_alerts] == [("guard", 30.0)]


def test_a_pause_of_the_pictures_cannot_be_judged(tmp_path: Path):
    times = [number / 8 + (20 if number >= 40 else 0) for number in range(80)]
    finding = analysed(write_clip(tmp_path / "clip.mkv", 80, (64, 48), times=times))
    (stretch,) = finding.stretches
    assert (stretch.begin, stretch.end, stretch.reasons) == (4.875, 24.0, (NO_VIDEO,))


def test_a_picture_alone_cannot_be_judged(tmp_path: Path):
    finding = analysed(write_picture(tmp_path / "photo.jpg"), 0.999)
    assert (finding.state, finding.alerts, finding.reading.frames) == (State.INSUFFICIENT, (), 1)
    assert [stretch.reasons for stretch in finding.stretches] == [(STILL_PICTURE,)]
    assert finding.faces[0].headline.liveness is None


def test_progress_is_told_in_media_time(tmp_path: Path):
    told: list[tuple[Seconds, Seconds | None]] = []
    analyser().analyse(clip(tmp_path, 2), lambda at, length: told.append((at, length)))
    assert told[0] == (0.0, 2.0)
    assert told[-1] == (1.875, 2.0)


def test_faces_are_released_also_where_the_analysis_breaks(tmp_path: Path):
    faces = ScriptedFaces()

    def fail(_: Noted) -> tuple[ScriptedDetector, ...]:
        msg = "no detectors today"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="no detectors today"):
        Analyser(Settings(), lambda: faces, fail, PROVENANCE).analyse(clip(tmp_path, 2))
    assert faces.closed


def test_a_file_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(MediaError, match=r"nowhere\.mp4: expected a video"):
        analysed(tmp_path / "nowhere.mp4")
