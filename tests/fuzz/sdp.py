"""What reads signalling: offers, answers to ours, trickled candidates."""

from collections.abc import Iterator
from functools import cache

from guard.core.errors import SignallingError
from guard.media.signalling import (
    MAX_CANDIDATES,
    MAX_CODECS,
    MAX_FEEDBACK,
    MAX_FRAGMENT_BYTES,
    MAX_SDP_BYTES,
    MAX_SDP_LINES,
    read_answer,
    read_fragment,
    read_offer,
)
from tests.fuzz.loop import CORPUS, Target

MAX_WORDS = 1000
"""Characters of an error, whatever it quotes."""

FORMATS = [number for number in range(200) if number not in range(72, 77)][:MAX_CODECS]
"""Payload types that aiortc takes."""


def check_offer(text: bytes) -> None:
    """An offer keeps to the policy, or is refused in a few printable words."""
    try:
        offer = read_offer(text, "publish" if b"a=send" in text else "subscribe")
    except SignallingError as refusal:
        _check_words(refusal)
        return
    assert offer.video
    assert sorted(offer.kinds) in (["video"], ["audio", "video"])
    assert offer.sdp.count("\na=candidate:") <= MAX_CANDIDATES


def check_answer(text: bytes) -> None:
    """An answer becomes one that aiortc can parse, or is refused in a few printable words."""
    try:
        answer = read_answer(text, _our_offer())
    except SignallingError as refusal:
        _check_words(refusal)
        return
    assert sum(line.startswith("a=candidate:") for line in answer.splitlines()) <= MAX_CANDIDATES


def check_fragment(text: bytes) -> None:
    """A fragment holds sixteen sound candidates at most, or is refused in a few printable words."""
    try:
        fragment = read_fragment(text)
    except SignallingError as refusal:
        _check_words(refusal)
        return
    assert len(fragment.candidates) <= MAX_CANDIDATES


def _check_words(refusal: SignallingError) -> None:
    words = str(refusal)
    assert len(words) <= MAX_WORDS, f"{len(words)} characters: {words[:100]}"
    assert words.isprintable(), repr(words)


@cache
def _our_offer() -> str:
    return (CORPUS / "offer" / "aiortc_receives.sdp").read_text()


def costly_offers() -> Iterator[bytes]:
    """Offers that use the limits up: lines that each concern every codec, lists in one line."""
    formats = " ".join(map(str, FORMATS))
    codecs = [f"a=rtpmap:{number} VP8/90000" for number in FORMATS]
    left = MAX_SDP_LINES - len(codecs) - 20
    yield _offer(formats, *codecs, *["a=rtcp-fb:* nack"] * (MAX_FEEDBACK // MAX_CODECS))
    for line in (
        "a=rtcp-fb:* nack",
        "a=rtcp-fb:0 nack",
        "a=fmtp:0 a=1;b=2",
        "a=ssrc:{} cname:x",
        "a=ssrc-group:FID 1 2",
    ):
        yield _offer(formats, *codecs, *(line.format(number) for number in range(left)))
    yield _offer(formats, *(f"a=rtpmap:{number} H264/90000" for number in FORMATS), *(
        f"a=fmtp:{number} packetization-mode=1;profile-level-id=42e01f" for number in FORMATS
    ))  # fmt: skip
    yield _offer("0 " * (MAX_SDP_BYTES // 2 - 500), "a=rtpmap:0 VP8/90000")
    yield _offer("0", "a=rtpmap:0 VP8/90000", "a=fmtp:0 " + "a=1;" * (MAX_SDP_BYTES // 4 - 200))
    yield _offer("0", "a=rtpmap:0 VP8/90000", "a=group:BUNDLE" + " 0" * (MAX_SDP_BYTES // 2 - 400))
    yield b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=" + b"v" * 60_000 + b" 9 A 0\r\n"
    yield b"a\n" * (MAX_SDP_BYTES // 2)


def _offer(formats: str, *lines: str) -> bytes:
    head = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0"]
    section = [f"m=video 9 UDP/TLS/RTP/SAVPF {formats}", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendonly"]
    transport = ["a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass", "a=rtcp-mux"]
    fingerprint = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
    return "\r\n".join([*head, *section, *transport, fingerprint, *lines, ""]).encode()


def costly_fragments() -> Iterator[bytes]:
    """As many candidates as there is room for."""
    candidate = b"a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n"
    yield candidate * (MAX_FRAGMENT_BYTES // len(candidate))
    yield b"a=candidate:1 1 udp 1 ::1%" + b"1" * 16_000 + b" 5000 typ host\r\n"
    yield b"a=candidate:1 1 udp 1 192.0.2.1 " + b"9" * 16_000 + b" typ host\r\n"


TOKENS = tuple(
    b"""BUNDLE 0 1 audio video application sendonly recvonly sendrecv inactive actpass active passive
    VP8/90000 H264/90000 opus/48000/2 rtx/90000 apt=96 packetization-mode=1 profile-level-id=42e01f udp
    tcp 1 2 typ host srflx 127.0.0.1 ::1 fe80::1%eth0 a.local a=rtcp-fb:* a=ssrc-group:FID a=simulcast
    a=candidate a=mid a=fmtp: a=rtpmap: m=video m=audio sha-256 UDP/TLS/RTP/SAVPF a=extmap: tcptype
    raddr rport a=ice-options:trickle""".split()
)

OFFER = Target("offer", check_offer, 6, text=True, tokens=TOKENS, costly=costly_offers)
ANSWER = Target("answer", check_answer, 4, text=True, tokens=TOKENS, costly=costly_offers)
FRAGMENT = Target("fragment", check_fragment, 20, text=True, tokens=TOKENS, costly=costly_fragments)
