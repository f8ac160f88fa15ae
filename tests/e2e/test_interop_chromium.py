"""Chromium publishes and watches: codecs, a network that loses packets, sound, what else it can offer."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.browser import Desk
from tests.support.interop import RELAYS, Caller, Record, Report, Said, callers, losing, relaying
from tests.support.served import Served

pytestmark = pytest.mark.e2e

FEW = 10
TOLD = (
    "freezeCount",
    "totalFreezesDuration",
    "packetsLost",
    "nackCount",
    "retransmittedPacketsReceived",
    "pliCount",
    "keyFramesDecoded",
)
CALL_S = 4.0
LOSSY_CALL_S = 8.0
LIPS_MS = 100.0
"""So far may sound and picture be apart (ITU-R BT.1359: noticed from 45 ms early, 125 ms late)."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What went in and what came out in some seconds of a call."""

    frames_in: int
    frames_out: int
    codec: str
    video: Report
    audio: Report

    def told(self) -> Report:
        """What stands in a report of the tests."""
        return {
            "codec": self.codec,
            "frames_in": self.frames_in,
            "frames_out": self.frames_out,
            "buffer_ms": 1e3 * self.video["jitterBufferDelay"] / self.video["jitterBufferEmittedCount"],
            "audio_bytes": self.audio["bytesReceived"],
        } | {name: self.video.get(name, 0) for name in TOLD}


async def call(desk: Desk, node: Served, codec: str) -> tuple[Caller, Caller, Said]:
    """One publishes and one watches, until pictures come."""
    ada, bob = await callers(desk, node)
    published = await ada.publish(node, codec)
    assert published.status == 201, published.text
    seen = await bob.watch(node, published)
    assert seen.status == 201, seen.text
    await bob.until_frames(FEW)
    return ada, bob, seen


async def watch_for(seconds: float, ada: Caller, bob: Caller) -> Watched:
    """Compare both ends over some seconds."""
    sent, came = await asyncio.gather(ada.stats(), bob.stats())
    before = (
        sent.one("outbound-rtp", "video")["framesSent"],
        came.one("inbound-rtp", "video")["framesDecoded"],
    )
    await asyncio.sleep(seconds)
    sent, came = await asyncio.gather(ada.stats(), bob.stats())
    video = came.one("inbound-rtp", "video")
    return Watched(
        sent.one("outbound-rtp", "video")["framesSent"] - before[0],
        video["framesDecoded"] - before[1],
        came.codec(video),
        video,
        came.one("inbound-rtp", "audio"),
    )


@pytest.mark.parametrize("relay", RELAYS)
@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_every_frame_arrives_and_none_freezes(
    tmp_path: Path, desk: Desk, relay: str, codec: str, record_property: Record
) -> None:
    async with relaying(tmp_path, relay) as node:
        ada, bob, _ = await call(desk, node, codec)
        seen = await watch_for(CALL_S, ada, bob)
    record_property("seen", json.dumps(seen.told()))
    assert seen.codec == f"video/{codec}"
    assert seen.frames_in >= CALL_S * 10
    assert abs(seen.frames_out - seen.frames_in) <= 3
    assert seen.video["freezeCount"] == 0
    assert seen.video["packetsLost"] == 0
    assert seen.audio["bytesReceived"] > 1000
    assert seen.audio["packetsLost"] == 0


@pytest.mark.parametrize("relay", RELAYS)
@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_five_percent_loss_towards_a_subscriber_freezes_nothing(
    tmp_path: Path, desk: Desk, relay: str, codec: str, record_property: Record
) -> None:
    with losing(0.05) as loss:
        async with relaying(tmp_path, relay) as node:
            ada, bob, _ = await call(desk, node, codec)
            seen = await watch_for(LOSSY_CALL_S, ada, bob)
    record_property("seen", json.dumps([seen.told(), loss.sent, loss.lost]))
    assert loss.lost >= 0.03 * loss.sent > 0
    assert abs(seen.frames_out - seen.frames_in) <= 5
    assert seen.video["freezeCount"] == 0
    assert seen.video["nackCount"] > 0
    assert seen.video["retransmittedPacketsReceived"] >= seen.video["packetsLost"]
    assert seen.video["pliCount"] == 0


@pytest.mark.parametrize("relay", RELAYS)
async def test_sound_and_picture_can_be_brought_together(
    tmp_path: Path, desk: Desk, relay: str, record_property: Record
) -> None:
    async with relaying(tmp_path, relay) as node:
        _, bob, said = await call(desk, node, "VP8")
        await bob.tab.until(
            "async () => (await caller.stats()).filter("
            "  (one) => one.type === 'inbound-rtp' && one.estimatedPlayoutTimestamp > 0).length === 2"
        )
        stats = await bob.stats()
    played = [stats.one("inbound-rtp", kind)["estimatedPlayoutTimestamp"] for kind in ("audio", "video")]
    reports = [stats.one("remote-outbound-rtp", kind)["reportsSent"] for kind in ("audio", "video")]
    record_property("seen", json.dumps([played[0] - played[1], reports]))
    names = re.findall(r"^a=ssrc:\d+ cname:(\S+)", said.text, re.MULTILINE)
    assert len(names) >= 2
    assert len(set(names)) == 1
    assert len(said.streams) == 1
    assert min(reports) >= 1
    assert abs(played[0] - played[1]) <= LIPS_MS


@pytest.mark.parametrize("codec", ["VP9", "AV1"])
async def test_a_codec_that_is_not_relayed_is_refused_by_name(node: Served, desk: Desk, codec: str) -> None:
    (ada,) = await callers(desk, node, 1)
    refused = await ada.publish(node, codec)
    assert refused.status == 406
    problem = json.loads(refused.text)
    assert "expected VP8 or H.264" in problem["detail"]
    assert codec in problem["detail"]


async def test_what_is_relayed_is_taken_from_an_offer_that_prefers_another_codec(
    node: Served, desk: Desk
) -> None:
    ada, bob = await callers(desk, node)
    published = await ada.publish(node, "VP9", "AV1", "VP8")
    assert published.offer.index("VP9/90000") < published.offer.index("VP8/90000")
    assert published.status == 201, published.text
    await bob.watch(node, published)
    stats = await bob.until_frames(FEW)
    assert stats.codec(stats.one("inbound-rtp", "video")) == "video/VP8"


async def test_of_simulcast_one_layer_is_taken(node: Served, desk: Desk) -> None:
    ada, bob = await callers(desk, node)
    published = await ada.publish(node, "VP8", rids=["q", "h", "f"])
    assert "a=simulcast:send" in published.offer
    assert published.status == 201, published.text
    assert "a=simulcast" not in published.text
    seen = await bob.watch(node, published)
    await bob.until_frames(3 * FEW)
    sent, came = await ada.stats(), await bob.stats()
    flowing = [one["rid"] for one in sent.all("outbound-rtp", "video") if one["framesSent"]]
    assert flowing == ["q"]
    assert came.one("inbound-rtp", "video")["framesDecoded"] >= 3 * FEW
    assert seen.status == 201
