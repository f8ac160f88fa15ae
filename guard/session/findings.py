"""What the analysis of a file found, and its form in JSON."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, Final, TypeAlias
from uuid import NAMESPACE_URL, uuid5

from guard.alerts.lifecycle import EPOCH, AlertBook, AlertKind, Participant
from guard.config import AlertSettings
from guard.core.types import Assessment, Family, State, Transition
from guard.core.units import FaceId, Seconds
from guard.decision.coverage import MOST_REASONS
from guard.decision.perface import Headline
from guard.media.sources import Clip, Reading
from guard.session.opinions import Opinion
from guard.session.provenance import Provenance

INDICATION: Final = (
    "An indication, not proof: what these models saw in this file. "
    "It does not say who is shown, nor that the file is genuine."
)

NO_VIDEO: Final = "no_video"
"""Reason of a stretch without pictures: the file has none there, or they are damaged."""

STILL_PICTURE: Final = "still_picture"
"""Reason of a file that holds one picture only: nothing in it moves or lasts."""

WORST_FIRST: Final = (State.ATTACK, State.SUSPICIOUS, State.BONA_FIDE)


@dataclass(slots=True)
class FileAlert:
    """One alert from raise to clear, in media seconds."""

    id: str
    """The same in every run: made from the file's digest, the face, the family and the time of the raise."""
    family: Family
    severity: int
    raised_at: Seconds
    cleared_at: Seconds | None = None
    """None where nothing in the rest of the file cleared it."""

    def as_fields(self) -> dict[str, Any]:
        """The form in JSON."""
        return {
            "id": self.id,
            "family": self.family.value,
            "severity": self.severity,
            "raised_at": _rounded(self.raised_at),
            "cleared_at": _rounded(self.cleared_at),
        }


class AlertLog:
    """The alerts of one file; they live by the rules of a live call, but every update counts at once."""

    def __init__(self, sha256: str, settings: AlertSettings) -> None:
        self._sha256 = sha256
        numbers = count()
        at_once = settings.model_copy(update={"update_interval_s": 0.0})
        self._book = AlertBook(at_once, lambda _at: str(next(numbers)))
        self._alerts: dict[str, dict[str, FileAlert]] = {}

    def take(self, subject: str, transition: Transition) -> None:
        """Take one step in the life of an alert about the subject: a face track, or the file."""
        at = transition.at
        alerts = self._alerts.setdefault(subject, {})
        about = Participant(self._sha256, subject)
        for event in self._book.handle(about, transition, at, EPOCH + timedelta(seconds=at)):
            alert = alerts.get(event.alert_id)
            if alert is None:
                name = f"sha256:{self._sha256}#{subject}/{event.family}/{at:.3f}"
                alert = FileAlert(str(uuid5(NAMESPACE_URL, name)), event.family, event.severity, at)
                alerts[event.alert_id] = alert
            alert.severity = event.severity
            alert.cleared_at = at if event.kind is AlertKind.CLEARED else None

    def of(self, subject: str) -> tuple[FileAlert, ...]:
        """Alerts about the subject, oldest first."""
        return tuple(self._alerts.get(subject, {}).values())


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which nobody could be judged, in media seconds."""

    begin: Seconds
    end: Seconds
    reasons: tuple[str, ...]
    """What stood in the way, the most lasting first, at most three."""

    def as_fields(self) -> dict[str, Any]:
        """The form in JSON."""
        return {"from": _rounded(self.begin), "to": _rounded(self.end), "reasons": list(self.reasons)}


@dataclass(slots=True)
class Stretches:
    """Collects the times that could not be judged; neighbours become one."""

    _parts: list[tuple[Seconds, Seconds, Counter[str]]] = field(default_factory=list)

    def add(self, begin: Seconds, end: Seconds, reasons: Iterable[str]) -> None:
        """Take a time in which nobody could be judged, after those taken before."""
        lost = Counter(dict.fromkeys(reasons, round(1000 * (end - begin))))
        if self._parts and self._parts[-1][1] == begin:
            begin, _, before = self._parts.pop()
            lost = Counter({**before, **{reason: before[reason] + lost[reason] for reason in lost}})
        self._parts.append((begin, end, lost))

    def __iter__(self) -> Iterator[Stretch]:
        for begin, end, lost in self._parts:
            yield Stretch(begin, end, tuple(reason for reason, _ in lost.most_common(MOST_REASONS)))


@dataclass(frozen=True, slots=True)
class FaceFinding:
    """What was found on one face track."""

    face_id: FaceId
    headline: Headline
    samples: Sequence[Assessment]
    alerts: tuple[FileAlert, ...]
    opinions: tuple[Opinion, ...] | None = None
    """What each engine said, in the order of the settings; None where no second opinion was asked."""

    def as_fields(self) -> dict[str, Any]:
        """The form in JSON."""
        fields: dict[str, Any] = {
            "face_id": self.face_id,
            "state": self.headline.state.value,
            "liveness": _rounded(self.headline.liveness),
            "deepfake": _rounded(self.headline.deepfake),
            "coverage": _rounded(self.headline.coverage),
            "reasons": [reason.value for reason in self.headline.reasons],
            "timeline": [
                [_rounded(one.at), _rounded(one.liveness), _rounded(one.deepfake), one.state.value]
                for one in self.samples
            ],
            "alerts": [alert.as_fields() for alert in self.alerts],
        }
        if self.opinions is not None:
            fields["opinions"] = [opinion.as_fields() for opinion in self.opinions]
        return fields


@dataclass(frozen=True, slots=True)
class FileFinding:
    """What was found in one file."""

    sha256: str
    clip: Clip
    reading: Reading
    analysed: int
    """Frames that were judged or found not to be judgeable; the others lie between them."""
    faces: tuple[FaceFinding, ...]
    guard_alerts: tuple[FileAlert, ...]
    coverage: float
    """Share of the file in which somebody could be judged, 0..1."""
    stretches: tuple[Stretch, ...]
    min_coverage: float
    """Under this coverage nothing good is said of the file."""
    provenance: Provenance

    @property
    def name(self) -> str:
        """The name of the file, without its folders."""
        return self.clip.path.name

    @property
    def state(self) -> State:
        """The worst of the faces; no bona fide where too little of the file could be judged."""
        states = {face.headline.state for face in self.faces}
        worst = next((state for state in WORST_FIRST if state in states), State.INSUFFICIENT)
        if worst is State.BONA_FIDE and (self.coverage < self.min_coverage or self.guard_alerts):
            return State.INSUFFICIENT
        return worst

    @property
    def alerts(self) -> tuple[FileAlert, ...]:
        """Every alert, those about faces first."""
        return (*(alert for face in self.faces for alert in face.alerts), *self.guard_alerts)

    @property
    def clean(self) -> bool:
        """Whether the whole file was read and nothing was raised."""
        return not self.alerts and self.reading.broke_off is None

    def as_fields(self) -> dict[str, Any]:
        """The form in JSON."""
        return {
            "file": self.name,
            "sha256": self.sha256,
            "seconds": _rounded(self.reading.seconds),
            "frames": self.reading.frames,
            "participants": [face.as_fields() for face in self.faces],
            "guard_alerts": [alert.as_fields() for alert in self.guard_alerts],
            "state": self.state.value,
            "coverage": _rounded(self.coverage),
            "cannot_judge": [stretch.as_fields() for stretch in self.stretches],
            "frames_analysed": self.analysed,
            "container": self._container(),
            **self.provenance.as_fields(),
            "indication": INDICATION,
        }

    def _container(self) -> dict[str, Any]:
        clip, reading = self.clip, self.reading
        return {
            "format": clip.container,
            "codec": clip.codec,
            "pixel_format": clip.pixels,
            "width": clip.width,
            "height": clip.height,
            "rotation": clip.rotation,
            "fps": _rounded(clip.fps),
            "duration": _rounded(clip.duration),
            "audio_codec": clip.audio_codec,
            "video_tracks": clip.video_tracks,
            "damaged": reading.damaged,
            "mended_times": reading.mended_times,
            "broke_off": reading.broke_off,
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that could not be analysed."""

    name: str
    error: str
    clean: bool = False

    def as_fields(self) -> dict[str, Any]:
        """The form in JSON."""
        return {"file": self.name, "error": self.error}


Outcome: TypeAlias = FileFinding | Refusal


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
