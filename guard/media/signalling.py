"""What an offer may hold, decided before aiortc acts on it; and trickled candidates."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain
from typing import Literal, TypeAlias

from aioice.mdns import is_mdns_hostname
from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from guard.core.errors import SignallingError, UnsupportedCodec
from guard.core.words import printable
from guard.media.assembler import Codec

MAX_SDP_BYTES = 65_536
MAX_SDP_LINES = 1_000
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where ``str.splitlines`` ends a line, as aiortc's parser does."""

MAX_CODECS = 128
"""Codec lines of an offer."""

MAX_FEEDBACK = 16_384
"""Codec lines times feedback lines: aiortc compares each with each. Browsers offer some 6,000."""

FEEDBACK = {"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"}
"""RTCP feedback that means anything here; what else is offered is left out."""

MAX_FRAGMENT_BYTES = 16_384

MAX_QUOTED = 200
"""Characters of foreign text in a refusal."""

MAX_SECTIONS = 4
MAX_CANDIDATES = 16
RTCP_COMPONENT = "2"
"""What browsers that could do without a=rtcp-mux also offer for RTCP (RFC 8445 section 4)."""


PARSER_FAULTS = (
    ValueError,
    AssertionError,
    LookupError,
    AttributeError,
    TypeError,
    StopIteration,
    ArithmeticError,
    struct.error,
)
"""All that aiortc's SDP parser was seen to raise on mutated offers, and its kin."""

Role: TypeAlias = Literal["publish", "subscribe"]

OUTLINE = ("m=", "c=", "a=mid:", "a=rtpmap:", "a=rtcp-mux")
TRANSPORT = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:")
"""Lines that say what a media section is, and how it is carried: that is the same in all bundled ones."""

SENDS = {"publish": {"sendonly", "sendrecv"}, "subscribe": {"recvonly", "sendrecv"}}
WORDS = {"publish": "a=sendonly", "subscribe": "a=recvonly"}


@dataclass(frozen=True, slots=True)
class Format:
    """A codec with the H.264 profile that was agreed on."""

    codec: Codec
    profile: str | None = None
    """``42e01f`` or ``42001f`` for H.264, else None."""


OPUS = Format(Codec.OPUS)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that keeps to the policy."""

    sdp: str
    video: tuple[Format, ...]
    """What of the offered video we relay, in the order of the offer; empty without video."""
    audio: bool
    """Whether Opus is offered."""
    kinds: tuple[str, ...]
    """Kinds of the media sections in their order."""
    ice_ufrag: str
    left_out: int = 0
    """Candidates unsound or beyond the limit, which are not in ``sdp``."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Trickled candidates (RFC 8840)."""

    candidates: tuple[tuple[str, str], ...]
    """Pairs (mid, candidate attribute without ``a=candidate:``), UDP only."""
    ended: bool
    """Whether no more will come."""
    ice_ufrag: str | None = None
    left_out: int = 0
    """Candidates unsound or beyond the limit."""


class _Candidates:
    """Keeps the first sixteen sound candidates, each address and port once."""

    def __init__(self) -> None:
        self.left_out = 0
        """Those unsound or one too many; one named again is not counted."""
        self._places: set[tuple[str, int]] = set()

    def keep(self, line: str) -> bool:
        """Whether to keep this line, which names a candidate."""
        if not _is_paired(line):
            return False
        place = _place(line.partition(":")[2])
        if place in self._places:
            return False
        if place is None or len(self._places) >= MAX_CANDIDATES:
            self.left_out += 1
            return False
        self._places.add(place)
        return True


def read_offer(text: str | bytes, role: Role) -> Offer:
    """Check an offer; raise SignallingError, or UnsupportedCodec where nothing that we relay is offered.

    Candidates that are unsound, not for us, named before, or beyond the limit are left out.
    """
    lines = _lines(text)
    _check_counts(lines)
    candidates = _Candidates()
    sdp = "\r\n".join(_useful(lines, candidates)) + "\r\n"
    try:
        return _checked(sdp, SessionDescription.parse(sdp), role, candidates.left_out)
    except SignallingError:
        raise
    except PARSER_FAULTS:
        msg = (
            "SDP offer: expected a WebRTC offer (RFC 9429), got text that cannot be parsed; "
            "post what createOffer() and setLocalDescription() give, unchanged"
        )
        raise SignallingError(msg) from None


def _useful(lines: list[str], candidates: _Candidates) -> Iterator[str]:
    """What aiortc needs of an offer: its work grows with each feedback line times each codec."""
    said: set[str] = set()
    for line in lines:
        if line.startswith("m="):
            said.clear()
        elif line.startswith("a=rtcp-fb:"):
            if line in said or line.partition(" ")[2] not in FEEDBACK:
                continue
            said.add(line)
        if not _is_candidate(line) or candidates.keep(line):
            yield line


def read_answer(text: str | bytes, offer_sdp: str) -> str:
    """An answer to this offer of ours, without what aiortc cannot use; raise SignallingError.

    Candidates are left out as from an offer. An audio section rejected by
    its port (RFC 3264 section 6) may lack everything else: it becomes ours, inactive. UnsupportedCodec is
    raised where video is rejected.
    """
    lines, candidates = _lines(text), _Candidates()
    _check_counts(lines)
    head, *sections = _sections(line for line in lines if not _is_candidate(line) or candidates.keep(line))
    sdp = "\r\n".join(chain(head, *_mended(sections, _sections(offer_sdp.splitlines())[1:]))) + "\r\n"
    try:
        SessionDescription.parse(sdp)
    except PARSER_FAULTS:
        msg = "SDP answer: expected one to a WebRTC offer (RFC 9429), got text that cannot be parsed"
        raise SignallingError(msg) from None
    return sdp


def _mended(sections: list[list[str]], ours: list[list[str]]) -> Iterator[list[str]]:
    """The sections of an answer, rejected ones as aiortc needs them; ``ours`` are those of the offer."""
    taken = [section for section in sections if not _is_rejected(section)]
    transport = [line for line in chain(*taken[:1]) if line.startswith(TRANSPORT)]
    for section, own in zip(sections, ours, strict=False):
        if not _is_rejected(section):
            yield section
        elif own[0].startswith("m=video"):
            msg = "SDP answer: expected video in VP8 or H.264 (42e01f, 42001f), got none; offer one there"
            raise UnsupportedCodec(msg)
        else:
            yield [*(line for line in own if line.startswith(OUTLINE)), "a=inactive", *transport]


def _is_rejected(section: list[str]) -> bool:
    return section[0].split()[1:2] == ["0"]


def read_fragment(text: str | bytes) -> Fragment:
    """Parse ``application/trickle-ice-sdpfrag`` (RFC 8840 section 9); raise SignallingError."""
    mid, ufrag, ended = "0", None, False
    named: list[tuple[str, str]] = []
    candidates = _Candidates()
    for line in _lines(text, MAX_FRAGMENT_BYTES):
        name, _, value = line.partition(":")
        if name == "a=mid":
            mid = value
        elif name == "a=ice-ufrag":
            ufrag = value
        elif name == "a=end-of-candidates":
            ended = True
        elif name == "a=candidate" and candidates.keep(line):
            named.append((mid, value))
    return Fragment(tuple(named), ended, ufrag, candidates.left_out)


def _place(value: str) -> tuple[str, int] | None:
    """Where a candidate leads; None for one that is unsound."""
    # asyncio gives up a socket that is asked to send to no address or no port, and with it the call.
    try:
        candidate = candidate_from_sdp(value)
        sound = candidate.component == 1 and 0 < candidate.port < 1 << 16 and _is_address(candidate.ip)
    except PARSER_FAULTS:
        return None
    return (candidate.ip, candidate.port) if sound else None


def _is_address(text: str) -> bool:
    """Whether it is an mDNS name, or an IP address without a zone, which means nothing here; ValueError."""
    return is_mdns_hostname(text) or "%" not in str(ip_address(text))


def _lines(text: str | bytes, limit: int = MAX_SDP_BYTES) -> list[str]:
    if len(text) > limit:
        raise SignallingError(_too_many("bytes of SDP", limit, len(text)))
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        msg = "SDP: expected UTF-8 text, got other bytes; send it as application/sdp in UTF-8"
        raise SignallingError(msg) from None
    longest = max(map(decoded.count, LINE_ENDS))
    if longest > MAX_SDP_LINES:  # before they are made: that would take milliseconds
        raise SignallingError(_too_many("lines of SDP", MAX_SDP_LINES, longest))
    return [line.strip() for line in decoded.splitlines() if line.strip()]


def _check_counts(lines: list[str]) -> None:
    counts = (
        ("lines of SDP", MAX_SDP_LINES, len(lines)),
        ("media sections", MAX_SECTIONS, _count(lines, "m=")),
        ("codecs", MAX_CODECS, _count(lines, "a=rtpmap:")),
        (
            "codecs times RTCP feedbacks",
            MAX_FEEDBACK,
            _count(lines, "a=rtpmap:") * _count(lines, "a=rtcp-fb:"),
        ),
    )
    for what, limit, found in counts:
        if found > limit:
            raise SignallingError(_too_many(what, limit, found))
    if _count(lines, "m=application"):
        msg = "SDP offer: expected audio and video only, got a data channel (m=application); create none"
        raise SignallingError(msg)


def _sections(lines: Iterable[str]) -> list[list[str]]:
    """The session's lines, then those of each media section."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _count(lines: list[str], start: str) -> int:
    return sum(line.startswith(start) for line in lines)


def _too_many(what: str, limit: int, found: int) -> str:
    mend = "bundle the media sections and offer one video and one audio track"
    return f"SDP: expected at most {limit} {what}, got {found}; {mend}"


def _is_paired(candidate: str) -> bool:
    # We speak ICE over UDP, and RTCP on RTP's component: other candidates would be paired with nothing.
    match candidate.split():
        case [_, component, transport, *_]:
            return transport.lower() == "udp" and component != RTCP_COMPONENT
    return False


def _is_candidate(line: str) -> bool:
    return line.startswith("a=candidate:")


def _checked(sdp: str, session: SessionDescription, role: Role, left_out: int) -> Offer:
    kinds = tuple(media.kind for media in session.media)
    if kinds not in {("video",), ("audio", "video"), ("video", "audio")}:
        got = printable(", ".join(kinds), MAX_QUOTED) or "none"
        msg = f"SDP offer: expected one video and at most one audio section, got {got}; offer one of each"
        raise SignallingError(msg)
    mids = {media.rtp.muxId for media in session.media}
    bundled = {mid for group in session.group if group.semantic == "BUNDLE" for mid in group.items}
    if not bundled <= mids:
        # aiortc would take the transport away from every section bundled with one that is not there.
        msg = (
            "SDP offer: expected a=group:BUNDLE to name sections by their a=mid, got others; keep them alike"
        )
        raise SignallingError(msg)
    if len(mids) < len(kinds):
        msg = "SDP offer: expected one a=mid a section, got one twice; post createOffer()'s SDP unchanged"
        raise SignallingError(msg)
    for media in session.media:
        _check_transport(media)
        _check_direction(media, role)
    video = next(_video_formats(media) for media in session.media if media.kind == "video")
    if not video:
        raise UnsupportedCodec(_unsupported("VP8 or H.264 (42e01f, 42001f, packetization-mode=1)", session))
    if "audio" in kinds and not _offers_opus(session):
        raise UnsupportedCodec(_unsupported("Opus", session))
    ice = session.media[0].ice
    return Offer(sdp, video, "audio" in kinds, kinds, str(ice.usernameFragment if ice else ""), left_out)


def _check_transport(media: MediaDescription) -> None:
    ice = media.ice
    complete = ice and ice.usernameFragment and ice.password
    if not (complete and media.dtls and media.dtls.fingerprints and media.rtcp_mux and media.rtp.muxId):
        msg = (
            f"SDP offer: expected a=mid, a=ice-ufrag, a=ice-pwd, a=fingerprint, a=setup and a=rtcp-mux for "
            f"{media.kind}, got a section that lacks some; post a WebRTC offer, not plain RTP"
        )
        raise SignallingError(msg)


def _check_direction(media: MediaDescription, role: Role) -> None:
    if media.direction not in SENDS[role]:
        msg = (
            f"SDP offer: expected {WORDS[role]} for {media.kind} to {role}, got "
            f"a={media.direction or 'nothing'}; set the transceiver's direction"
        )
        raise SignallingError(msg)


def _common(media: MediaDescription) -> list[RTCRtpCodecParameters]:
    return find_common_codecs(CODECS[media.kind], media.rtp.codecs)


def _video_formats(media: MediaDescription) -> tuple[Format, ...]:
    formats = (_format(codec) for codec in _common(media))
    return tuple(dict.fromkeys(found for found in formats if found is not None))


def _format(codec: RTCRtpCodecParameters) -> Format | None:
    mime = codec.mimeType.lower()
    if mime == "video/vp8":
        return Format(Codec.VP8)
    if mime == "video/h264":
        return Format(Codec.H264, str(codec.parameters["profile-level-id"]))
    return None


def _offers_opus(session: SessionDescription) -> bool:
    audio = next(media for media in session.media if media.kind == "audio")
    return any(codec.mimeType.lower() == "audio/opus" for codec in _common(audio))


def _unsupported(expected: str, session: SessionDescription) -> str:
    names = {codec.name for media in session.media for codec in media.rtp.codecs}
    got = printable(", ".join(sorted(name[:16] for name in names)[:16]), MAX_QUOTED) or "none"
    return f"SDP offer: expected {expected}, got {got}; offer one of those codecs"
