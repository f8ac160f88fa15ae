import re
import time
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.core.errors import SignallingError, UnsupportedCodec
from guard.media.assembler import Codec
from guard.media.signalling import Format, read_answer, read_fragment, read_offer

pytestmark = pytest.mark.unit

TRANSPORT = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=rtcp-mux\r\na=setup:actpass\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
)
H264 = "a=rtpmap:{0} H264/90000\r\na=fmtp:{0} packetization-mode={1};profile-level-id={2}\r\n"
VP8 = "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
OPUS = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
CANDIDATE = "a=candidate:1 1 {} 2130706431 192.0.2.{} 5000 typ host\r\n"


def section(kind: str, mid: int, codecs: str, direction: str = "sendonly", more: str = "") -> str:
    formats = " ".join(re.findall(r"rtpmap:(\d+)", codecs)) or "0"
    head = f"m={kind} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n"
    return head + TRANSPORT + codecs + more


def offer(*sections: str) -> str:
    mids = " ".join(str(number) for number in range(len(sections)))
    return f"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mids}\r\n" + "".join(sections)


GOOD = offer(section("video", 0, VP8 + H264.format(102, 1, "42e01f")), section("audio", 1, OPUS))


def test_a_good_offer_is_read_in_the_order_of_its_codecs():
    read = read_offer(GOOD, "publish")
    assert read.video == (Format(Codec.VP8), Format(Codec.H264, "42e01f"))
    assert read.audio
    assert read.kinds == ("video", "audio")
    assert read.ice_ufrag == "abcd"
    assert read_offer(GOOD.encode(), "publish") == read


@pytest.mark.parametrize(
    ("codecs", "found"),
    [
        (H264.format(102, 1, "42001f") + VP8, (Format(Codec.H264, "42001f"), Format(Codec.VP8))),
        (H264.format(102, 1, "42e034"), (Format(Codec.H264, "42e01f"),)),
        (H264.format(102, 1, "64001f") + VP8, (Format(Codec.VP8),)),
    ],
)
def test_only_baseline_h264_is_taken(codecs: str, found: tuple[Format, ...]):
    assert read_offer(offer(section("video", 0, codecs)), "publish").video == found


@pytest.mark.parametrize(
    "codecs",
    [
        "a=rtpmap:98 VP9/90000\r\n",
        "a=rtpmap:45 AV1/90000\r\n",
        H264.format(102, 1, "64001f"),
        H264.format(102, 0, "42e01f"),
    ],
)
def test_other_video_codecs_are_named_and_refused(codecs: str):
    with pytest.raises(UnsupportedCodec, match=r"expected VP8 or H\.264.*got (VP9|AV1|H264); offer one"):
        read_offer(offer(section("video", 0, codecs)), "publish")


def test_audio_without_opus_is_refused():
    with pytest.raises(UnsupportedCodec, match="expected Opus, got PCMU, VP8"):
        read_offer(
            offer(section("video", 0, VP8), section("audio", 1, "a=rtpmap:0 PCMU/8000\r\n")), "publish"
        )


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "not SDP at all": ("hello", "got none"),
    "empty": ("", "got none"),
    "no UTF-8": (b"\xff\xfe\x00", "expected UTF-8"),
    "too long": ("a" * 65_537, "at most 65536 bytes of SDP, got 65537"),
    "too many lines": (GOOD + "a=x\r\n" * 1000, "at most 1000 lines"),
    "too many lines, all empty": ("\n" * 60_000, "at most 1000 lines of SDP, got 60000"),
    "too many codecs": (GOOD + "".join(f"a=rtpmap:{n} x/1\r\n" for n in range(200)), "128 codecs"),
    "too many codecs for too much feedback": (
        GOOD + "".join(f"a=rtpmap:{n} x/1\r\n" for n in range(100)) + "a=rtcp-fb:* nack\r\n" * 200,
        "at most 16384 codecs times RTCP feedbacks",
    ),
    "five sections": (
        offer(*[section("video", n, VP8) for n in range(5)]),
        "at most 4 media sections, got 5",
    ),
    "two videos": (offer(*[section("video", n, VP8) for n in range(2)]), "got video, video"),
    "audio alone": (offer(section("audio", 0, OPUS)), "expected one video"),
    "a data channel": (
        offer(section("video", 0, VP8)) + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        "data channel",
    ),
    "a bundle with a stranger": (GOOD.replace("BUNDLE 0 1", "BUNDLE 5 0 1"), "a=group:BUNDLE"),
    "one mid twice": (GOOD.replace("a=mid:1", "a=mid:0").replace("BUNDLE 0 1", "BUNDLE 0"), "got one twice"),
    "the wrong direction": (offer(section("video", 0, VP8, "recvonly")), "got a=recvonly; set"),
    "no direction": (offer(section("video", 0, VP8)).replace("a=sendonly\r\n", ""), "got a=nothing"),
    "no fingerprint": (re.sub("a=fingerprint.*\r\n", "", GOOD), "a=fingerprint"),
    "no ICE": (re.sub("a=ice-.*\r\n", "", GOOD), "a=ice-ufrag"),
    "no rtcp-mux": (GOOD.replace("a=rtcp-mux\r\n", ""), "a=rtcp-mux"),
    "a codec that is none": (GOOD + "a=rtpmap:one\r\n", "cannot be parsed"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_offer_is_refused_with_words_that_mend_it(case: str):
    text, words = BROKEN[case]
    with pytest.raises(SignallingError, match=re.escape(words)) as caught:
        read_offer(text, "publish")
    assert caught.value.__cause__ is None
    assert len(str(caught.value)) < 400


def test_feedback_that_is_said_twice_or_means_nothing_here_is_left_out():
    feedback = [f"a=rtcp-fb:* nack {number}" for number in range(50)] + ["a=rtcp-fb:96 nack pli"] * 3
    more = "".join(f"{line}\r\n" for line in feedback)
    read = read_offer(offer(section("video", 0, VP8, more=more), section("audio", 1, OPUS)), "publish")
    assert [line for line in read.sdp.splitlines() if "rtcp-fb" in line] == ["a=rtcp-fb:96 nack pli"]


def test_candidates_over_tcp_and_for_rtcp_alone_are_left_out():
    rtcp = CANDIDATE.replace("candidate:1 1", "candidate:1 2")
    others = [CANDIDATE.format("tcp", n) + rtcp.format("udp", n) for n in range(30)]
    more = "".join(others) + CANDIDATE.format("UDP", 7)
    read = read_offer(offer(section("video", 0, VP8, more=more)), "publish")
    assert [line for line in read.sdp.splitlines() if "candidate" in line] == [
        CANDIDATE.format("UDP", 7).strip()
    ]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, len(GOOD) - 1),
    st.integers(0, 30),
    st.text(max_size=20),
)
def test_a_mutated_offer_is_read_or_refused(at: int, cut: int, put: str):
    mutated = GOOD[:at] + put + GOOD[at + cut :]
    try:
        read = read_offer(mutated, "publish")
    except SignallingError as refusal:
        assert "; " in str(refusal)  # noqa: PT017 -- both ends are allowed, each is checked
    else:
        assert read.video


UNSOUND = [
    "1 1 udp 1 192.0.2.1 0 typ host",
    "1 1 udp 1 192.0.2.1 65536 typ host",
    "1 1 udp 1 192.0.2.1 -1 typ host",
    "1 0 udp 1 192.0.2.1 5000 typ host",
    "1 3 udp 1 192.0.2.1 5000 typ host",
    "1 1 udp 1 example.org 5000 typ host",
    "1 1 udp 1 a.b.local 5000 typ host",
    "1 1 udp 1 192.0.2.256 5000 typ host",
    "1 1 udp 1 fe80::1%eth0 5000 typ host",
]


ASKED = offer(section("video", 0, VP8, "recvonly"), section("audio", 1, OPUS, "recvonly"))
ANSWER = ASKED.replace("recvonly", "sendonly").replace("actpass", "passive")
TAKEN, REFUSED_AUDIO = (
    ANSWER[: ANSWER.index("m=audio")],
    "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n",
)


def test_a_good_answer_is_kept():
    assert read_answer(ANSWER.encode(), ASKED) == ANSWER


def test_an_answer_keeps_sixteen_candidates_that_are_of_use():
    unsound = "".join(f"a=candidate:{one}\r\n" for one in ["x", *UNSOUND])
    named = unsound + CANDIDATE.format("tcp", 7) + "".join(CANDIDATE.format("udp", n) for n in range(200))
    read = read_answer(TAKEN + named + ANSWER[len(TAKEN) :], ASKED)
    kept = [line for line in read.splitlines() if "candidate" in line]
    assert kept == [CANDIDATE.format("udp", n).strip() for n in range(16)]


def test_a_rejected_audio_section_becomes_inactive():
    read = read_answer(TAKEN + REFUSED_AUDIO, ASKED)
    assert read.startswith(TAKEN)
    audio = read[len(TAKEN) :].splitlines()
    assert audio[0] == "m=audio 9 UDP/TLS/RTP/SAVPF 111"
    assert {"a=mid:1", "a=inactive", "a=rtcp-mux", "a=setup:passive", "a=ice-ufrag:abcd"} <= set(audio)
    assert "a=recvonly" not in audio


def test_an_answer_without_video_is_refused():
    rejected = TAKEN.replace("m=video 9", "m=video 0") + ANSWER[len(TAKEN) :]
    with pytest.raises(UnsupportedCodec, match=r"SDP answer: expected video in VP8 or H\.264"):
        read_answer(rejected, ASKED)


@pytest.mark.parametrize(
    "text",
    [
        "v=0\r\nm=video\r\n",
        TAKEN + "a=rtpmap:one\r\n",
        TAKEN + "a=fmtp:99 x=1\r\n",
        TAKEN + "a=mid:0\r\n" * 1000,
        TAKEN + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        b"\xff",
        "a" * 65_537,
    ],
)
def test_a_broken_answer_is_refused(text: str | bytes):
    with pytest.raises(SignallingError):
        read_answer(text, ASKED)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, len(ANSWER) - 1), st.integers(0, 30), st.text(max_size=20))
def test_a_mutated_answer_is_read_or_refused(at: int, cut: int, put: str):
    with suppress(SignallingError):
        assert "m=" in read_answer(ANSWER[:at] + put + ANSWER[at + cut :], ASKED)


def test_a_fragment_is_read_with_its_sections():
    text = (
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 RTP/AVP 0\r\na=mid:v\r\n"
        "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=candidate:2 1 tcp 1 192.0.2.1 9 typ host\r\n"
        "m=audio 9 RTP/AVP 0\r\na=mid:a\r\na=candidate:3 1 UDP 1 192.0.2.2 5000 typ host\r\n"
        "a=end-of-candidates\r\n"
    )
    fragment = read_fragment(text)
    assert [mid for mid, _ in fragment.candidates] == ["v", "a"]
    assert fragment.ended
    assert fragment.ice_ufrag == "abcd"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n" * 16_385, "at most 16384 bytes of SDP"),
        (b"\xff", "UTF-8"),
    ],
)
def test_a_broken_fragment_is_refused(text: str | bytes, words: str):
    with pytest.raises(SignallingError, match=words):
        read_fragment(text)


@pytest.mark.parametrize("candidate", ["x 1 udp", "1 1 udp one 192.0.2.1 5000 typ host", *UNSOUND])
def test_a_candidate_that_would_break_the_socket_is_left_out(candidate: str):
    sound = CANDIDATE.format("udp", 1)
    named = f"a=candidate:{candidate}\r\n{sound}"
    fragment = read_fragment(named)
    assert [f"a=candidate:{value}\r\n" for _, value in fragment.candidates] == [sound]
    read = read_offer(offer(section("video", 0, VP8, more=named)), "publish")
    assert [line for line in read.sdp.splitlines() if "candidate" in line] == [sound.strip()]
    assert fragment.left_out == read.left_out == 1


def test_an_offer_of_nine_candidates_in_each_of_two_sections_keeps_sixteen():
    """Chromium's with bundlePolicy balanced."""
    nine, more = (
        "".join(CANDIDATE.format("udp", n) for n in numbers) for numbers in (range(9), range(9, 18))
    )
    read = read_offer(
        offer(section("video", 0, VP8, more=nine), section("audio", 1, OPUS, more=more + nine)), "publish"
    )
    kept = [line for line in read.sdp.splitlines() if "candidate" in line]
    assert kept == [CANDIDATE.format("udp", n).strip() for n in range(16)]
    assert read.left_out == 2
    fragment = read_fragment("a=mid:0\r\n" + nine + "a=mid:1\r\n" + nine + more)
    assert [mid for mid, _ in fragment.candidates] == ["0"] * 9 + ["1"] * 7
    assert fragment.left_out == 2


def test_lines_are_counted_before_they_are_made():
    begun = time.thread_time()
    for end in ("\n", "\r", "\u2028"):
        with pytest.raises(SignallingError, match="at most 1000 lines"):
            read_offer("a" + end * 60_000, "publish")
    assert time.thread_time() - begun < 0.006


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "2001:db8::1", "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"]
)
def test_a_candidate_of_an_address_or_an_mdns_name_is_taken(address: str):
    candidate = f"1 1 udp 1 {address} 65535 typ host"
    assert read_fragment(f"a=candidate:{candidate}\r\n").candidates == (("0", candidate),)
