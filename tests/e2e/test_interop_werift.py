"""A stack that is neither aiortc nor libwebrtc publishes and watches: werift, in TypeScript."""

import asyncio
import hashlib
import json
from base64 import b64encode
from itertools import pairwise
from pathlib import Path

import pytest

from guard.media.assembler import Codec
from tests.support.browser import Desk
from tests.support.interop import RELAYS, SAME, Record, Said, callers, grown, relaying, watched
from tests.support.media import encoded_units
from tests.support.npm import werift

pytestmark = pytest.mark.e2e

PICTURES = 60
FPS = 30
CALL_S = 4.0


def clip(folder: Path) -> tuple[Path, list[str]]:
    """Pictures for werift to send, and their digests in the same order."""
    units = [
        unit.payload for unit in encoded_units(Codec.VP8, PICTURES, keyframe_every=20, width=640, height=360)
    ]
    file = folder / "units.txt"
    file.write_bytes(b"\n".join(map(b64encode, units)))
    return file, [hashlib.sha256(unit).hexdigest() for unit in units]


@pytest.mark.parametrize("relay", RELAYS)
async def test_every_picture_of_werift_arrives_unchanged(
    tmp_path: Path, desk: Desk, relay: str, record_property: Record
) -> None:
    file, digests = await asyncio.to_thread(clip, tmp_path)
    async with (
        relaying(tmp_path, relay) as node,
        werift("publish", node.whip, node.token(), units=str(file)) as sender,
    ):
        published = Said(201, "", await sender.says("joined"), "")
        (bob,) = await callers(desk, node, 1)
        await bob.watch(node, published)
        before = await bob.until_frames(10)
        url = node.url + watched(published)
        async with werift("watch", url, node.token("Eve"), seconds=CALL_S) as watcher:
            await watcher.says("joined")
            seen = await watcher.says("ended")
        after = await bob.stats()
        sent = await sender.end()
    video = grown(after.one("inbound-rtp", "video"), before.one("inbound-rtp", "video"))
    told = {"pictures": len(seen["pictures"]), "broken": seen["broken"], "sounds": seen["sounds"]}
    chromium = {
        name: video[name] for name in ("framesDecoded", "freezeCount", "packetsLost", "framesDropped")
    }
    record_property("seen", json.dumps([told, chromium, sent]))
    places = [digests.index(picture) for picture in seen["pictures"]]
    steps = [(after - before) % PICTURES for before, after in pairwise(places)]
    assert len(places) >= (CALL_S - 1) * FPS
    assert steps.count(1) >= len(steps) - sent["keyframes_asked"]
    assert seen["broken"] <= 1
    assert seen["sounds"] >= (CALL_S - 1) * 50
    assert video["framesDecoded"] >= (1 - SAME) * CALL_S * FPS
    assert video["freezeCount"] <= 1  # Node.js, which paces the pictures, may be held up


@pytest.mark.parametrize("relay", RELAYS)
async def test_werift_receives_every_picture_of_chromium(
    tmp_path: Path, desk: Desk, relay: str, record_property: Record
) -> None:
    async with relaying(tmp_path, relay) as node:
        (ada,) = await callers(desk, node, 1)
        published = await ada.publish(node, "VP8")
        url = node.url + watched(published)
        async with werift("watch", url, node.token("Eve"), seconds=CALL_S) as watcher:
            await watcher.says("joined")
            before = (await ada.stats()).one("outbound-rtp", "video")["framesSent"]
            seen = await watcher.says("ended")
            sent = (await ada.stats()).one("outbound-rtp", "video")["framesSent"] - before
    told = {
        "sent": sent,
        "pictures": len(seen["pictures"]),
        "broken": seen["broken"],
        "sounds": seen["sounds"],
    }
    record_property("seen", json.dumps(told))
    assert sent >= (CALL_S - 1) * 10
    assert abs(len(seen["pictures"]) - sent) <= max(10, SAME * sent)
    assert seen["broken"] <= 1
    assert seen["sounds"] >= (CALL_S - 1) * 50
