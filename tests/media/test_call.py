import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import pytest
from structlog.testing import capture_logs

from guard.config import IceSettings, MediaSettings
from guard.core.errors import NotFoundError, SignallingError
from guard.media import offers
from guard.media.assembler import Codec
from guard.media.call import Call
from guard.media.gates import Limits
from guard.media.publication import Publication
from tests.support.media import (
    LOOPBACK,
    LoopbackPublisher,
    LoopbackSubscriber,
    ManualClock,
    eventually,
)

pytestmark = [pytest.mark.media, pytest.mark.peers]

TWO_ADDRESSES = IceSettings(host_addresses=("127.0.0.1", "127.0.0.2"), allow_loopback=True)


class Sockets:
    """The UDP sockets opened on the running loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.opened: list[asyncio.BaseTransport] = []
        self._open = loop.create_datagram_endpoint
        monkeypatch.setattr(loop, "create_datagram_endpoint", self._opening)

    @property
    def left(self) -> int:
        """How many of them are open."""
        return sum(not transport.is_closing() for transport in self.opened)

    async def _opening(self, *args: Any, **settings: Any) -> Any:
        transport, protocol = await self._open(*args, **settings)
        self.opened.append(transport)
        return transport, protocol


class NoThread:
    """Works at once where it is called, so that a job takes a known number of the loop's steps."""

    def __init__(self, *_: object) -> None:
        """Take what a pool takes."""

    def submit(self, work: Callable[..., object], *args: object) -> Future[object]:
        job: Future[object] = Future()
        job.set_result(work(*args))
        return job

    def shutdown(self, **_: object) -> None:
        """Nothing runs."""


@pytest.fixture
def stepwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offers are read on the loop."""
    monkeypatch.setattr(offers, "ThreadPoolExecutor", NoThread)


def publication(closed: list[str], ice: IceSettings = LOOPBACK) -> Publication:
    return Publication("p1", MediaSettings(), ice, time.monotonic, lambda _: None, closed.append)


async def offer() -> str:
    """A publisher's offer; nobody is there to connect to."""
    publisher = LoopbackPublisher(Codec.VP8)
    text = await publisher.peer.offer()
    await publisher.peer.close()
    return text


async def watch_offer() -> str:
    subscriber = LoopbackSubscriber()
    text = await subscriber.peer.offer()
    await subscriber.peer.close()
    return text


async def steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def fails(step: Awaitable[object], *kinds: type[Exception]) -> bool:
    """Whether something raises one of these errors."""
    try:
        await step
    except kinds:
        return True
    return False


@pytest.mark.usefixtures("stepwise")
async def test_a_publication_closed_while_it_answers_ends_once(monkeypatch: pytest.MonkeyPatch):
    text, sockets, refused = await offer(), Sockets(monkeypatch), 0
    # Every step of answering is a place to be interrupted at; after the last one it has been answered.
    for count in range(1, 100):
        closed: list[str] = []
        one = publication(closed)
        answering = asyncio.create_task(one.answer(text))
        await steps(count)
        done = answering.done()
        one._call.end("node_stopped")
        if await fails(answering, NotFoundError):
            refused += 1
            assert closed == ["node_stopped"]
        await one.close()
        assert closed == ["node_stopped"]
        assert one._call._watching is None or one._call._watching.done()
        assert sockets.left == 0
        if done:
            break
    assert done
    assert refused >= 3


@pytest.mark.usefixtures("stepwise")
async def test_a_subscription_whose_publication_ends_while_it_answers_ends_once(
    monkeypatch: pytest.MonkeyPatch,
):
    text, watching, sockets, refused = await offer(), await watch_offer(), Sockets(monkeypatch), 0
    for count in range(1, 100):
        closed: list[str] = []
        one = publication([])
        await one.answer(text)
        subscribing = asyncio.create_task(one.subscribe(watching, closed.append))
        await steps(count)
        done, began = subscribing.done(), one.stats().subscribers
        one._call.end("left")
        refused += await fails(subscribing, NotFoundError)
        assert closed == ["publication_ended"] * (began if refused == count else 0)
        await one.close()
        assert closed == ["publication_ended"] * began
        assert one.stats().subscribers == 0
        assert sockets.left == 0
        if done:
            break
    assert done
    assert refused >= 3


@pytest.mark.usefixtures("stepwise")
async def test_answering_that_is_cancelled_leaves_no_socket(monkeypatch: pytest.MonkeyPatch):
    text, sockets = await offer(), Sockets(monkeypatch)
    for count in range(1, 100):
        one = publication([], TWO_ADDRESSES)
        answering = asyncio.create_task(one.answer(text))
        await steps(count)
        done = answering.done()
        answering.cancel()
        await fails(answering, asyncio.CancelledError)  # type: ignore[arg-type]  # CancelledError is no Exception
        if done:
            await one.close()
        assert sockets.left == 0
        if done:
            break
    assert done
    assert len(sockets.opened) > 2


async def broken(*_: object) -> None:
    msg = "does not close"
    raise RuntimeError(msg)


async def test_what_does_not_close_keeps_nothing_else_from_its_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    closed: list[str] = []
    ended: list[list[str]] = [[], []]
    one = publication(closed)
    await one.answer(await offer())
    text = await watch_offer()
    first, _ = await one.subscribe(text, ended[0].append)
    await one.subscribe(text, ended[1].append)
    parts = (one._call.peer, first._call.peer, one._video_decoder, one._audio_decoder)
    closes = [part.close for part in parts]
    for part in parts:
        monkeypatch.setattr(part, "close", broken)
    monkeypatch.setattr(first._forwarder, "detach", lambda _: next(iter(())))
    await one.close("left")
    await one.close("left")
    assert closed == ["left"]
    assert ended == [["publication_ended"], ["publication_ended"]]
    assert sum("step of an end failed" in record.getMessage() for record in caplog.records) >= 4
    for close in closes:
        await close()


async def test_a_peer_that_does_not_close_says_so_every_time(monkeypatch: pytest.MonkeyPatch):
    publisher = LoopbackPublisher(Codec.VP8)
    transceiver, stops = publisher.peer._pc.getTransceivers()[0], iter([True])
    stop = transceiver.stop

    async def stop_the_second_time() -> None:
        if next(stops, False):
            await broken()
        await stop()

    monkeypatch.setattr(transceiver, "stop", stop_the_second_time)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="does not close"):
            await asyncio.wait_for(publisher.peer.close(), 5.0)


async def test_a_closed_publication_takes_no_offer():
    one = publication([])
    await one.close()
    with pytest.raises(SignallingError, match="expected its first offer"):
        await one.answer(await offer())


async def test_a_call_that_goes_on_flooding_ends_for_that_reason():
    closed: list[str] = []
    one, publisher = publication(closed), LoopbackPublisher(Codec.VP8)
    await publisher.join(one)
    gate, source, clock = one._call.peer.gate, one._call.peer.remote_address, ManualClock(time.monotonic())
    assert source is not None
    gate._clock = clock
    gate.prove(bytes(4))
    for _ in range(40_000):
        clock.now += 6.0 / 40_000
        gate.admit(b"\x80\x60" + bytes(100), source, 0)
    await eventually(lambda: closed)
    assert closed == ["flood"]
    await publisher.peer.close()


async def test_what_a_call_refuses_is_told_once_in_ten_seconds():
    async def finished(_: str) -> None:
        """Nobody waits."""

    clock = ManualClock()
    call = Call("p_1", LOOPBACK, clock, finished, limits=Limits())
    with capture_logs() as logs:
        for _ in range(60):
            call.peer.dropped.update(["stun", "mdns"])
            call.peer.faults["error"] += 2
            call._tell_refused(clock.now)
            clock.now += 0.5
        call._tell_refused(clock.now + 10.0)
        call._tell_refused(clock.now + 30.0)
    told = [(line["call"], line["counts"]) for line in logs]
    first, ten_seconds, rest = {"stun": 1, "error": 2}, {"stun": 20, "error": 40}, {"stun": 19, "error": 38}
    assert told == [("p_1", counts) for counts in (first, ten_seconds, ten_seconds, rest)]
    await call.peer.close()
