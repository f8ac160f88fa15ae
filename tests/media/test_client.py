import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from guard.config import IceSettings, MediaSettings
from guard.core.errors import (
    CapacityError,
    EnvironmentProblem,
    GuardError,
    NotFoundError,
    SignallingError,
    UnsupportedCodec,
)
from guard.core.types import VideoFrame
from guard.media.assembler import AccessUnit, Codec
from guard.media.client import FrameSource, WhipPublisher, towards
from guard.media.encode import VideoEncoder
from guard.media.publication import Publication
from guard.media.subscriber import WhepSubscriber
from guard.media.transport import machine_addresses
from guard.media.turn import IceServer
from tests.support.media import LOOPBACK, FakeEndpoint, RefusingEndpoint, drawn_frames, eventually

pytestmark = [pytest.mark.media, pytest.mark.peers]


def source(codec: str = "vp8", count: int = 20, fps: float = 60.0) -> FrameSource:
    return FrameSource(
        drawn_frames(count, fps=fps), VideoEncoder(codec, 160, 120, fps, 300_000), time.monotonic
    )


def publisher(http: httpx.AsyncBaseTransport, feed: FrameSource, *, silence: bool = False) -> WhipPublisher:
    return WhipPublisher(
        "http://guard.test/whip/room",
        "tok",
        feed,
        clock=time.monotonic,
        ice=LOOPBACK,
        silence=silence,
        http=http,
    )


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_a_clip_is_published_and_watched_over_whip_and_whep(codec: str):
    seen: list[VideoFrame] = []
    watched: list[VideoFrame] = []
    heard: list[AccessUnit] = []
    closed: list[str] = []
    publication = Publication("p1", MediaSettings(), LOOPBACK, time.monotonic, seen.append, closed.append)
    endpoint = FakeEndpoint(publication)
    sender = publisher(endpoint, source(codec, 6000), silence=True)
    watcher = WhepSubscriber(
        "http://guard.test/whep/room/p1",
        "tok",
        clock=time.monotonic,
        ice=LOOPBACK,
        audio=True,
        on_unit=heard.append,
        on_frame=watched.append,
        http=endpoint,
    )
    await sender.start()
    await watcher.start()
    await eventually(lambda: len(watched) > 10 and seen and any(unit.codec is Codec.OPUS for unit in heard))
    await sender.stop()
    await watcher.stop()
    stats = watcher.stats()
    await publication.close()
    assert endpoint.tokens == {"Bearer tok"}
    assert sorted(endpoint.deleted) == ["/whep/room/p1/1", "/whip/room/1"]
    assert stats.units > 10
    assert stats.keyframes >= 1
    assert stats.decoded == len(watched) <= stats.units
    assert stats.audio_units > 0
    assert stats.first_unit_s is not None
    assert stats.fps > 0
    assert sender.sent > 0
    assert closed == ["left"]


def audio_rejected(answer: str) -> str:
    """As a media server that has no audio says it: by the port, and nothing more."""
    return answer[: answer.index("m=audio")] + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n"


def of_another_server(answer: str) -> str:
    """The transport named once for all, no end of candidates, and candidates that we cannot take."""
    lines = audio_rejected(answer).replace("a=end-of-candidates\r\n", "").splitlines()
    transport = [line for line in lines if line.startswith(("a=ice-", "a=fingerprint", "a=setup"))]
    rest = [line for line in lines if line not in transport]
    first = next(at for at, line in enumerate(rest) if line.startswith("m="))
    more = [f"a=candidate:{n} 1 tcp 1 192.0.2.{n} 9 typ host tcptype passive" for n in range(30)]
    more += [
        "a=candidate:x 1 udp 1 media.example.org 9 typ host",
        "a=candidate:y 1 udp 1 fe80::1%0 9 typ host",
    ]
    place = rest.index(next(line for line in rest if line.startswith("m=audio")))
    return "\r\n".join([*rest[:first], *transport, *rest[first:place], *more, *rest[place:], ""])


@pytest.mark.parametrize("changed", [audio_rejected, of_another_server])
@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_video_of_a_server_without_audio_is_received(codec: str, changed: Callable[[str], str]):
    publication = Publication("p1", MediaSettings(), LOOPBACK, time.monotonic, lambda _: None, lambda _: None)
    watched: list[VideoFrame] = []
    sender = publisher(FakeEndpoint(publication), source(codec, 6000))
    watcher = WhepSubscriber(
        "http://sfu.test/whep",
        "",
        clock=time.monotonic,
        ice=LOOPBACK,
        audio=True,
        on_frame=watched.append,
        http=FakeEndpoint(publication, changed=changed),
    )
    await sender.start()
    await watcher.start()
    await eventually(lambda: len(watched) > 3)
    await sender.stop()
    await watcher.stop()
    await publication.close()


async def test_servers_handed_in_are_not_asked_for():
    asked: list[str] = []

    class Noting(RefusingEndpoint):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.method)
            return await super().handle_async_request(request)

    for servers in (None, (), (IceServer("stun:stun.example.org"),)):
        endpoint = Noting(httpx.Response(503, text="full"))
        sender = WhipPublisher(
            "http://guard.test/whip",
            "t",
            source(),
            clock=time.monotonic,
            ice=LOOPBACK,
            servers=servers,
            http=endpoint,
        )
        with pytest.raises(CapacityError):
            await sender.start()
        await sender.stop()
    assert asked == ["OPTIONS", "POST", "POST", "POST"]


async def test_relay_only_offers_nothing_without_a_relay():
    endpoint = RefusingEndpoint(httpx.Response(204))
    sender = WhipPublisher(
        "http://guard.test/whip",
        "t",
        source(),
        clock=time.monotonic,
        ice=LOOPBACK,
        relay_only=True,
        http=endpoint,
    )
    with pytest.raises(EnvironmentProblem, match="relay only: expected a TURN server"):
        await sender.start()
    await sender.stop()


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8080/whip/a", True),
        ("https://[::1]/whip/a", True),
        ("http://localhost/whip/a", True),
        ("http://LOCALHOST/whip/a", True),
        ("http://192.0.2.1/whip/a", False),
        ("http://guard.example.org/whip/a", False),
        ("http://[/", False),
        ("", False),
    ],
)
def test_a_node_on_this_machine_is_met_over_loopback(url: str, *, here: bool):
    ice = towards(IceSettings(), url)
    assert ice.allow_loopback is here
    assert ice.host_addresses == (("127.0.0.1", *machine_addresses()) if here else ())


def test_addresses_that_were_chosen_stay():
    chosen = IceSettings(host_addresses=("192.0.2.7",))
    assert towards(chosen, "http://[::1]:8080/whip/a").host_addresses == ("192.0.2.7",)


async def test_a_caller_on_this_machine_offers_loopback_without_being_told():
    offers: list[str] = []

    class Noting(RefusingEndpoint):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            offers.append((await request.aread()).decode())
            return await super().handle_async_request(request)

    sender = WhipPublisher(
        "http://localhost:8080/whip/a",
        "t",
        source(),
        clock=time.monotonic,
        servers=(),
        http=Noting(httpx.Response(503, text="full")),
    )
    with pytest.raises(CapacityError):
        await sender.start()
    await sender.stop()
    assert " 127.0.0.1 " in offers[0]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, SignallingError),
        (401, SignallingError),
        (404, NotFoundError),
        (406, UnsupportedCodec),
        (429, CapacityError),
        (503, CapacityError),
    ],
)
async def test_a_refusal_carries_the_endpoints_words(status: int, expected: type[GuardError]):
    problem = {"title": "Refused", "detail": "expected a token, got none; send one"}
    response = httpx.Response(status, json=problem, headers={"Content-Type": "application/problem+json"})
    sender = publisher(RefusingEndpoint(response), source())
    with pytest.raises(
        expected, match=f"expected 201 Created, got {status}: expected a token, got none; send one"
    ):
        await sender.start()
    await sender.stop()


async def test_a_refusal_in_plain_words_is_cut():
    sender = publisher(RefusingEndpoint(httpx.Response(500, text="x" * 9000)), source())
    with pytest.raises(SignallingError) as caught:
        await sender.start()
    await sender.stop()
    assert 500 < len(str(caught.value)) < 700


async def test_an_endpoint_that_is_not_there_is_named():
    sender = publisher(RefusingEndpoint(None), source())
    with pytest.raises(
        SignallingError, match=r"http://guard\.test/whip/room: .*is the server running there\?"
    ):
        await sender.start()
    await sender.stop()


async def test_an_answer_that_is_none_is_refused():
    sender = publisher(RefusingEndpoint(httpx.Response(201, text="v=0\r\n")), source())
    with pytest.raises(SignallingError, match="SDP answer: expected one that fits our offer"):
        await sender.start()
    await sender.stop()


async def test_a_source_that_breaks_says_why():
    feed = FrameSource(drawn_frames(2), VideoEncoder("vp8", 320, 240, 30.0, 300_000), time.monotonic)
    feed.start(lambda _: None)
    await feed.ended.wait()
    await feed.stop()
    assert "expected frames of 320 x 240, got 160 x 120" in str(feed.failure)


async def test_a_source_ends_whatever_its_frames_break_with():
    def breaking_off() -> Iterator[VideoFrame]:
        yield from drawn_frames(2, fps=1000.0)
        msg = "no more frames in the camera"
        raise RuntimeError(msg)

    sent: list[AccessUnit] = []
    feed = FrameSource(breaking_off(), VideoEncoder("vp8", 160, 120, 30.0, 300_000), time.monotonic)
    sender = publisher(RefusingEndpoint(None), feed)
    assert sender.failure is None
    feed.start(sent.append)
    await sender.ended.wait()
    await feed.stop()
    assert len(sent) == 2
    assert repr(sender.failure) == "RuntimeError('no more frames in the camera')"


async def test_a_publisher_learns_that_the_guard_has_ended_the_call():
    publication = Publication("p1", MediaSettings(), LOOPBACK, time.monotonic, lambda _: None, lambda _: None)
    sender = publisher(FakeEndpoint(publication), source(count=600))
    await sender.start()
    await publication.close()
    await sender.gone.wait()
    await sender.stop()


async def test_a_publisher_who_is_late_drops_frames():
    feed = source(count=100)
    sent: list[AccessUnit] = []
    # A clock that leaps by a second at every look: every frame is late.
    ticks = iter(range(1000))
    feed._clock = lambda: float(next(ticks))
    feed.start(sent.append)
    await feed.ended.wait()
    await feed.stop()
    assert feed.dropped == 100
    assert sent == []
