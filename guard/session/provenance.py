"""With what a file was analysed: software, models, settings; the same on every machine that has the same."""

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import guard
from guard.config import Settings
from guard.decision.perface import HELD
from guard.faces.landmarker import MODEL_NAME
from guard.inference.manifest import EngineSection
from guard.media.sources import decoder_version

LIBRARIES: Final = ("av", "mediapipe", "numpy", "onnxruntime", "opencv-python")
"""Distributions whose versions can change a score."""

DECISIVE: Final[dict[str, set[str]]] = {
    "analysis": {"fps", "manipulation_engine", "presentation_engine", "second_opinions"},
    "alerts": {"reopen_within_s"},
    "media": {"max_pixels"},
}
"""Settings of sections that only partly bear on a result; [faces] and [decision] do as a whole."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What every finding of a run rests on."""

    software: dict[str, str]
    """Version by name."""
    engines: tuple[EngineSection, ...]
    face_model_sha256: str
    configuration_sha256: str
    """Of every setting that bears on a result, at its value; no path, no secret."""
    thresholds: dict[str, float]

    def as_fields(self) -> dict[str, Any]:
        """The form in JSON."""
        return {
            "software": self.software,
            "engines": [_engine_fields(engine) for engine in self.engines],
            "face_model": {"name": MODEL_NAME, "sha256": self.face_model_sha256},
            "configuration_sha256": self.configuration_sha256,
            "thresholds": self.thresholds,
        }


def provenance_of(settings: Settings, engines: tuple[EngineSection, ...]) -> Provenance:
    """What a run with these settings and engines rests on."""
    decision = settings.decision
    return Provenance(
        software=_software(),
        engines=engines,
        face_model_sha256=settings.faces.model_sha256,
        configuration_sha256=configuration_sha256(settings),
        thresholds={
            "raise_at": decision.raise_at,
            "clear_at": decision.clear_at,
            "suspicious_at": decision.suspicious_at,
            "raise_hold_s": decision.raise_hold_s,
            "clear_hold_s": decision.clear_hold_s,
            "min_coverage": decision.min_coverage,
            "coverage_window_s": decision.coverage_window_s,
            "unjudged_after_s": decision.unjudged_after_s,
            "held_s": HELD,
            "fps": settings.analysis.fps,
        },
    )


def configuration_sha256(settings: Settings) -> str:
    """The digest of every setting that bears on a result, at its value; hexadecimal."""
    decisive = {
        "faces": settings.faces.model_dump(mode="json", exclude={"model_path"}),
        "decision": settings.decision.model_dump(mode="json"),
        **{
            name: getattr(settings, name).model_dump(mode="json", include=keys)
            for name, keys in DECISIVE.items()
        },
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _software() -> dict[str, str]:
    return {
        "call-guard": guard.__version__,
        "python": platform.python_version(),
        "ffmpeg": decoder_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _engine_fields(engine: EngineSection) -> dict[str, Any]:
    return engine.model_dump(
        mode="json", include={"name", "version", "task", "sha256", "licence", "data_terms", "commercial_use"}
    )
