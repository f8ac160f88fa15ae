"""The form of an alert on the wire: CloudEvents 1.0 structured JSON around an OCSF Detection Finding.

Sources: CloudEvents 1.0.2 JSON format, https://github.com/cloudevents/spec; OCSF class 2004,
https://schema.ocsf.io/1.5.0/classes/detection_finding. Fields of ours stand in ``unmapped.guard``.
Unknown fields are ignored when read, so that older subscribers take newer messages.
"""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from guard.core.types import Family

CONTENT_TYPE = "application/cloudevents+json"
"""Media type of a whole message."""

OCSF_VERSION = "1.5.0"

Milliseconds: TypeAlias = Annotated[int, Field(ge=0, le=253_370_764_800_000)]
"""Since 1970, UTC, up to the year 9999: what comes from others can be read as a date."""

RESOLVED: Literal[4] = 4
"""OCSF status_id of an alert that is closed."""


class Part(BaseModel):
    """A frozen piece of a message."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EngineDigest(Part):
    """Which weights judged."""

    name: str
    sha256: str


class Acknowledged(Part):
    """Who looks after the alert."""

    by: str
    at: datetime
    reason: str


class Suppressed(Part):
    """Who wants to hear nothing of the alert, and until when."""

    by: str
    at: datetime
    until: datetime
    reason: str


class Details(Part):
    """What OCSF has no place for."""

    family: Family
    session_id: str
    participant_id: str
    face_id: int | None = None
    probability: float
    threshold: float
    coverage: float
    reason_codes: tuple[str, ...] = ()
    engines: tuple[EngineDigest, ...] = ()
    reopened: bool = False
    acknowledged: Acknowledged | None = None
    suppressed: Suppressed | None = None


class Unmapped(Part):
    """OCSF's place for what it does not name."""

    guard: Details


class CueValues(Part):
    """What one cue said."""

    value: float
    weight: float
    log_odds: float
    reason: str


class Evidence(Part):
    """OCSF evidence_artifacts: one cue."""

    name: str
    data: CueValues


class External(Part):
    """How the calling application knows the participant."""

    external_id: str


class Resource(Part):
    """OCSF resource_details: the participant; the only place where names travel, beside ``message``."""

    uid: str
    type: str = "call participant"
    name: str | None = None
    data: External | None = None


class Technique(Part):
    """MITRE ATT&CK technique."""

    uid: str
    name: str


class Attack(Part):
    """OCSF attack."""

    technique: Technique


class Analytic(Part):
    """OCSF analytic: the rule that raised the finding."""

    uid: str
    name: str
    type_id: int = 1
    type: str = "Rule"


class FindingInfo(Part):
    """OCSF finding_info."""

    uid: str
    title: str
    types: tuple[str, ...]
    first_seen_time: int
    last_seen_time: int
    analytic: Analytic
    data_sources: tuple[str, ...] = ("webrtc video",)
    attacks: tuple[Attack, ...] | None = None


class Product(Part):
    """OCSF product."""

    name: str = "call-guard"
    vendor_name: str = "call-guard"
    version: str


class Metadata(Part):
    """OCSF metadata."""

    version: str = OCSF_VERSION
    product: Product
    uid: str
    sequence: int


class Finding(Part):
    """OCSF Detection Finding; times in milliseconds since 1970, UTC."""

    class_uid: Literal[2004] = 2004
    category_uid: Literal[2] = 2
    activity_id: Literal[1, 2, 3]
    type_uid: Literal[200401, 200402, 200403]
    time: int
    start_time: Milliseconds
    end_time: Milliseconds | None = None
    duration: int
    count: int
    severity_id: int = Field(ge=1, le=5)
    severity: str
    status_id: Literal[1, 2, 3, 4]
    status: str
    status_detail: str | None = None
    comment: str | None = None
    confidence_score: int = Field(ge=0, le=100)
    message: str
    metadata: Metadata
    finding_info: FindingInfo
    resources: tuple[Resource, ...] = Field(min_length=1)
    evidences: tuple[Evidence, ...] = ()
    unmapped: Unmapped


class Envelope(Part):
    """CloudEvents context attributes; ``severity`` and ``seq`` are extensions."""

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: Literal["io.guard.alert.raised", "io.guard.alert.updated", "io.guard.alert.cleared"]
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    severity: int = Field(ge=1, le=5)
    seq: int = Field(ge=1)
    data: Finding
