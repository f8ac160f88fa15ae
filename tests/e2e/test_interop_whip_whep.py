"""The npm package whip-whep in Chromium, as pages embed it: it publishes, watches and trickles candidates."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Desk
from tests.support.interop import RELAYS, Caller, Record, Said, callers, relaying, watch_calmly, watched
from tests.support.media import eventually
from tests.support.npm import package

if TYPE_CHECKING:
    from playwright.async_api import Response, Route

pytestmark = pytest.mark.e2e

CALL_S = 4.0

PUBLISH = """async ([url, token]) => {
  const { WHIPClient } = await import("/npm/whip.js");
  const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const sending = { direction: "sendonly", streams: [stream] };
  for (const track of stream.getTracks()) peer.addTransceiver(track, sending);
  globalThis.client = new WHIPClient();
  await client.publish(peer, url, token);
  caller.take(peer);
}"""

WATCH = """async ([url, token]) => {
  const { WHEPClient } = await import("/npm/whep.js");
  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const screen = document.createElement("video");
  screen.autoplay = true;
  document.body.append(screen);
  peer.addEventListener("track", ({ streams }) => (screen.srcObject = streams[0]));
  for (const kind of ["audio", "video"]) peer.addTransceiver(kind, { direction: "recvonly" });
  globalThis.client = new WHEPClient();
  await client.view(peer, url, token);
  caller.take(peer);
}"""


class Traffic:
    """The requests of a page's client, and how they were answered."""

    def __init__(self, caller: Caller) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.link: str | None = None
        caller.tab.page.on("response", self._note)

    def _note(self, response: "Response") -> None:
        self.answers[response.request.method, response.status] += 1
        self.link = self.link or response.headers.get("link")


async def serve_package(caller: Caller, folder: Path) -> None:
    """Have the page find the package at its own address."""

    async def fulfil(route: "Route") -> None:
        await route.fulfill(path=folder / Path(route.request.url).name, content_type="text/javascript")

    await caller.tab.page.route("**/npm/*.js", fulfil)


@pytest.mark.parametrize("relay", RELAYS)
async def test_whip_whep_publishes_and_watches(
    tmp_path: Path, desk: Desk, relay: str, record_property: Record
) -> None:
    folder = package("whip-whep")
    async with relaying(tmp_path, relay) as node:
        ada, bob = pages = await callers(desk, node)
        whip, whep = map(Traffic, pages)
        for page in pages:
            await serve_package(page, folder)
        await ada.tab.run(PUBLISH, [node.whip, node.token()])
        url = node.url + watched(Said(201, "", whip.link, ""))
        await bob.tab.run(WATCH, [url, node.token("Bob")])
        await bob.until_frames(10)
        seen = await watch_calmly(CALL_S, ada, bob, record_property)
        for page in (bob, ada):
            await page.tab.run("client.stop()")
        await eventually(lambda: not node.node._rooms.sessions())
    answers = {str(key): count for key, count in (whip.answers + whep.answers).items()}
    record_property("answers", json.dumps(answers))
    assert seen.frames_in >= CALL_S * 10
    assert seen.whole
    assert seen.video["freezeCount"] == 0
    assert seen.audio["bytesReceived"] > 1000
    for traffic in (whip, whep):
        assert traffic.answers["POST", 201] == 1
        assert traffic.answers["PATCH", 204] >= 1
        # It closes DTLS first, which ends the session too.
        assert traffic.answers["DELETE", 200] + traffic.answers["DELETE", 404] == 1
        refused = {method for method, status in traffic.answers if status >= 400}
        assert refused <= {"DELETE"}
