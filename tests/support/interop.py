"""Callers in Chromium by its own WebRTC, and a network that loses packets."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from aioice.ice import StunProtocol

from guard.config import MediaSettings
from guard.media.gates import is_rtp
from tests.support.browser import CAMERA, Desk, Tab
from tests.support.node import bare_settings
from tests.support.served import Served, served

PEERS = Path(__file__).resolve().parents[1] / "e2e" / "peers"
RELAYS = ("rtp", "frame")
"""The ways in which nothing is encoded anew."""

SOUND = "--autoplay-policy=no-user-gesture-required"

TOLD = (
    "freezeCount",
    "totalFreezesDuration",
    "packetsLost",
    "nackCount",
    "retransmittedPacketsReceived",
    "pliCount",
    "keyFramesDecoded",
)

Report = dict[str, Any]
Record = Callable[[str, object], None]
"""pytest's record_property: keeps what was measured beside a test's outcome."""


@asynccontextmanager
async def relaying(folder: Path, relay: str) -> AsyncIterator[Served]:
    """A node that relays in this way."""
    media = MediaSettings.model_validate({"relay": relay})
    async with served(folder, bare_settings(folder).model_copy(update={"media": media})) as node:
        yield node


CLEAR = 8
"""So many packets after a lost one are not lost, its retransmission among them. Where both are lost Chromium
waits for a round trip, which it takes for 100 ms: on a busy machine that is near the 200 ms of a freeze."""

SAME = 0.1
"""By so large a share may the frames of both ends differ: their counters are not read at one moment."""


class Loss:
    """Loses a share of the RTP that this process sends, retransmissions too, one packet at a time.

    At least ``clear`` packets pass after each that is lost; with 0 every packet has the same chance. The
    chances are drawn from one seed; which packets they meet is a matter of timing.
    """

    def __init__(self, share: float, clear: int) -> None:
        self.sent = self.lost = 0
        self._chance = 1 / (1 / share - clear)
        self._spacing = self._clear = clear
        self._random = random.Random(1)  # noqa: S311 -- no secret

    def takes(self, datagram: bytes) -> bool:
        """Whether this datagram is lost."""
        if not is_rtp(datagram):
            return False
        self.sent += 1
        self._clear -= 1
        if self._clear >= 0 or self._random.random() >= self._chance:
            return False
        self.lost += 1
        self._clear = self._spacing
        return True


class LossyTransport:
    """A UDP transport over a network that loses."""

    def __init__(self, transport: asyncio.DatagramTransport, loss: Loss) -> None:
        self._transport = transport
        self._loss = loss

    def sendto(self, datagram: bytes, address: Any = None) -> None:
        if not self._loss.takes(datagram):
            self._transport.sendto(datagram, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@contextmanager
def losing(share: float, *, clear: int = CLEAR) -> Iterator[Loss]:
    """Every ICE socket that this process opens meanwhile loses RTP on its way out."""
    loss, connect = Loss(share, clear), StunProtocol.connection_made

    def connection_made(protocol: StunProtocol, transport: Any) -> None:
        connect(protocol, LossyTransport(transport, loss))  # type: ignore[arg-type]  # it stands in for one

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StunProtocol, "connection_made", connection_made)
        yield loss


@dataclass(frozen=True, slots=True)
class Said:
    """How a POST was answered."""

    status: int
    text: str
    link: str | None
    offer: str
    streams: tuple[str, ...] = ()

    @classmethod
    def of(cls, said: dict[str, Any]) -> Self:
        """As the page hands it over."""
        return cls(**(said | {"streams": tuple(said.get("streams", ()))}))


class Stats:
    """What getStats() told."""

    def __init__(self, reports: list[Report]) -> None:
        self._reports = reports

    def one(self, type_: str, kind: str) -> Report:
        """The only report of this type about audio or video."""
        (found,) = self.all(type_, kind)
        return found

    def all(self, type_: str, kind: str) -> list[Report]:
        """All reports of this type about audio or video."""
        return [one for one in self._reports if one["type"] == type_ and one.get("kind") == kind]

    def codec(self, report: Report) -> str:
        """The MIME type in which a stream flows."""
        return next(str(one["mimeType"]) for one in self._reports if one["id"] == report["codecId"])


class Caller:
    """A page that is one caller of a node."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    async def publish(self, node: Served, *video: str, **options: Any) -> Said:
        """Offer camera and microphone with these codecs."""
        given = {"url": node.whip, "token": node.token(), "video": list(video)} | options
        return Said.of(await self.tab.run("(given) => caller.publish(given)", given))

    async def watch(self, node: Served, published: Said, **options: Any) -> Said:
        """Receive somebody who was answered so."""
        given = {"url": node.url + watched(published), "token": node.token("Bob")} | options
        return Said.of(await self.tab.run("(given) => caller.watch(given)", given))

    async def stats(self) -> Stats:
        """What getStats() tells now."""
        return Stats(await self.tab.run("caller.stats()"))

    async def until_frames(self, least: int) -> Stats:
        """Wait until so many frames were decoded."""
        await self.tab.until(
            "async (least) => (await caller.stats()).some("
            "  (one) => one.type === 'inbound-rtp' && one.kind === 'video' && one.framesDecoded >= least)",
            least,
        )
        return await self.stats()


@dataclass(frozen=True, slots=True)
class Watched:
    """What went in and what came out in some seconds of a call; all counters are of these seconds."""

    frames_in: int
    frames_out: int
    codec: str
    video: Report
    audio: Report

    @property
    def whole(self) -> bool:
        """Whether what came out is what went in, as far as can be told."""
        return abs(self.frames_out - self.frames_in) <= SAME * self.frames_in

    def told(self) -> Report:
        """What stands in a report of the tests."""
        return {
            "codec": self.codec,
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "buffer_ms": 1e3
            * self.video["jitterBufferDelay"]
            / max(1, self.video["jitterBufferEmittedCount"]),
            "audio_bytes": self.audio["bytesReceived"],
        } | {name: self.video.get(name, 0) for name in TOLD}


async def watch_for(seconds: float, ada: Caller, bob: Caller) -> Watched:
    """Compare both ends over some seconds."""
    sent_before, came_before = await asyncio.gather(ada.stats(), bob.stats())
    await asyncio.sleep(seconds)
    sent, came = await asyncio.gather(ada.stats(), bob.stats())

    def growth(kind: str) -> Report:
        return grown(came.one("inbound-rtp", kind), came_before.one("inbound-rtp", kind))

    frames_in = grown(sent.one("outbound-rtp", "video"), sent_before.one("outbound-rtp", "video"))
    video = growth("video")
    codec = came.codec(came.one("inbound-rtp", "video"))
    return Watched(frames_in["framesSent"], video["framesDecoded"], codec, video, growth("audio"))


async def watch_calmly(seconds: float, ada: Caller, bob: Caller, record: Record) -> Watched:
    """As ``watch_for``, but once more where something froze: a machine busy elsewhere freezes it too."""
    for _ in range(2):
        seen = await watch_for(seconds, ada, bob)
        record("seen", json.dumps(seen.told()))
        if not seen.video["freezeCount"]:
            break
    return seen


def grown(after: Report, before: Report) -> Report:
    """By how much the numbers of a report grew."""
    numbers = {name: value for name, value in after.items() if isinstance(value, int | float)}
    return {name: value - before.get(name, 0) for name, value in numbers.items()}


def watched(published: Said) -> str:
    """Where a publisher can be watched, as the answer says."""
    assert published.link is not None, published.text
    return published.link.partition(">")[0].removeprefix("<")


async def callers(desk: Desk, node: Served, count: int = 2) -> list[Caller]:
    """Callers in pages of one browser, with a camera and a microphone of Chromium's own."""
    browser = await desk.browser(*CAMERA, SOUND)
    made = []
    for _ in range(count):
        tab = await desk.page(browser)
        await tab.page.add_init_script(path=PEERS / "caller.js")
        await tab.open(f"{node.url}/livez")
        made.append(Caller(tab))
    return made
