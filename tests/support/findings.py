"""Findings made by hand."""

from collections.abc import Sequence
from pathlib import Path

from guard.core.types import Assessment, Family, Reason, State
from guard.core.units import FaceId
from guard.decision.perface import Headline
from guard.inference.manifest import EngineSection
from guard.media.sources import Clip, Reading
from guard.session.findings import FaceFinding, FileAlert, FileFinding, Stretch
from guard.session.provenance import Provenance

ENGINE = EngineSection(
    name="face-manipulation",
    version="1",
    task="manipulation",
    model="model.onnx",
    sha256="0" * 64,
    licence="research only",
    data_terms="drawn",
    commercial_use=False,
)

PROVENANCE = Provenance(
    software={"call-guard": "0.1.0", "ffmpeg": "8"},
    engines=(ENGINE,),
    face_model_sha256="1" * 64,
    configuration_sha256="2" * 64,
    thresholds={
        "raise_at": 0.85,
        "clear_at": 0.5,
        "raise_hold_s": 2.0,
        "clear_hold_s": 10.0,
        "coverage_window_s": 5.0,
        "held_s": 2.0,
    },
)


def face(face_id: FaceId, state: State, *, judged: bool = True) -> FaceFinding:
    """A face seen for 10 s, with an open alert where it is an attack."""
    samples = [Assessment(number / 8, 0.1, 0.9, state, 1.0) for number in range(80)]
    liveness, deepfake, coverage = (0.9, 0.1, 1.0) if judged else (None, None, 0.0)
    reasons = {State.ATTACK: (Reason.LEARNED_SCORE,), State.INSUFFICIENT: (Reason.BLURRED,)}
    alert = FileAlert(f"a{face_id}", Family.MANIPULATION, 3, 4.0)
    return FaceFinding(
        face_id,
        Headline(state, liveness, deepfake, coverage, reasons.get(state, ())),
        samples,
        (alert,) if state is State.ATTACK else (),
    )


def finding(
    name: str,
    faces: Sequence[FaceFinding],
    *,
    coverage: float = 0.85,
    broke_off: str | None = None,
    unjudged: bool = False,
) -> FileFinding:
    """A file of 10 s in a folder that nobody needs to know."""
    clip = Clip(
        path=Path("folder", name),
        width=640,
        height=360,
        fps=25.0,
        still=False,
        container="matroska,webm",
        codec="vp8",
        pixels="yuv420p",
        rotation=0,
        duration=10.0,
        audio_codec="opus",
        video_tracks=1,
    )
    return FileFinding(
        sha256="ab" * 32,
        clip=clip,
        reading=Reading(frames=250, seconds=9.96, broke_off=broke_off),
        analysed=80,
        faces=tuple(faces),
        guard_alerts=(FileAlert("g1", Family.GUARD, 2, 3.0, 5.0),) if unjudged else (),
        coverage=coverage,
        stretches=(Stretch(1.0, 2.5, (Reason.NO_FACE,)),),
        min_coverage=0.6,
        provenance=PROVENANCE,
    )
