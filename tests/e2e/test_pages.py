"""The pages in a real Chromium, against a node that takes calls and judges nobody."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.cli.demo.pictures import bona_fide, talking_person
from guard.core.errors import CapacityError
from guard.web.app import create_app
from guard.web.server import HttpServer
from tests.support.browser import Desk, Tab, chromium, write_camera
from tests.support.media import eventually
from tests.support.node import bare_node, bare_settings, wall
from tests.support.served import ROOM, Served, served

pytestmark = pytest.mark.e2e

HOSTILE = "<img src=x onerror=document.title='owned'>"

STREAM = (
    "\ufeff: hello\r\nevent: one\r\ndata: {\r\ndata:}\r\rdata: ü\n\n: ping\n\n"
    "event: empty\n\nid: 7\ndata\n\ndata: cut"
)

READ_STREAM = """async ([bytes, cuts]) => {
  const { readEvents } = await import("/static/sse.js");
  const ends = [...cuts, bytes.length];
  const source = new ReadableStream({
    start(controller) {
      ends.forEach((end, at) => controller.enqueue(new Uint8Array(bytes.slice(ends[at - 1] ?? 0, end))));
      controller.close();
    },
  });
  const found = [];
  for await (const { type, data } of readEvents(source)) found.push([type, data]);
  return found;
}"""

FRAMES = """(least) => {
  const videos = [...document.querySelectorAll(".tile[data-participant] video")];
  return videos.length > 0 && videos.every((one) => one.getVideoPlaybackQuality().totalVideoFrames >= least);
}"""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "talk.y4m"
    return write_camera(path, bona_fide(talking_person(), seed=1), seconds=4)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as node:
        yield node


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with chromium() as desk:
        yield desk
        assert desk.complaints == []


def link(node: Served, name: str = "Ada", *, page: str = f"/join/{ROOM}", **grants: bool) -> str:
    grants = grants or {"publish": True, "subscribe": True}
    token = node.issuer.issue(name, ROOM, now=time.time(), **grants)  # noqa: TID251 -- tokens are dated
    return f"{node.url}{page}#token={token}"


async def trouble(tab: Tab, address: str) -> str:
    await tab.open("about:blank")
    await tab.open(address)
    return await tab.see("#before-trouble")


async def test_people_meet_mute_and_leave(node: Served, desk: Desk, camera: Path) -> None:
    ada = await desk.tab(camera)
    await ada.join(link(node))
    await ada.until("document.querySelector('#call-status').textContent === 'Connected'")
    assert ada.page.url == f"{node.url}/join/{ROOM}"
    assert await ada.see("#alone")

    eve = await desk.tab(camera)
    await eve.join(link(node, HOSTILE))
    for tab in (ada, eve):
        await tab.until(FRAMES, 20)
    assert await ada.text(".tile[data-participant] .tile-name") == HOSTILE
    assert await eve.text(".tile[data-participant] .tile-name") == "Ada"
    assert await ada.page.title() == f"Room {ROOM} · call-guard"

    await ada.page.click("#camera")
    assert "cannot be checked" in await ada.see("#call-hint")
    assert await ada.text("#own-muted") == "camera off"
    await ada.page.click("#camera")
    assert await ada.page.is_hidden("#call-hint")

    await eve.page.click("#leave")
    assert await eve.see("#ended-title") == "You have left the call"
    await ada.until("!document.querySelector('.tile[data-participant]')")
    await ada.page.close(run_before_unload=True)
    await eventually(lambda: not list(node.node.rooms()))


async def test_what_the_node_learns_of_a_visitor(node: Served, desk: Desk, camera: Path) -> None:
    tab = await desk.tab(camera)
    await tab.join(link(node))
    await tab.until("document.querySelector('#call-status').textContent === 'Connected'")
    (room,) = node.node.rooms()
    (status,) = room.participants
    assert (status.name, status.device_label) == ("Ada", str(camera))
    assert status.notice_shown_at is not None
    assert abs(status.notice_shown_at.timestamp() - time.time()) < 60  # noqa: TID251 -- the browser's clock
    assert await tab.page.is_hidden("#own-state")


async def test_whoever_may_only_watch_opens_no_camera(node: Served, desk: Desk, camera: Path) -> None:
    ada = await desk.tab(camera)
    await ada.join(link(node))
    watcher = await desk.tab()
    await watcher.open(link(node, "Eve", subscribe=True))
    assert await watcher.see("#before-title") == "Before you watch"
    await watcher.page.click("#agree")
    await watcher.until(FRAMES, 10)
    assert await watcher.page.is_hidden("#own")
    assert await ada.see("#alone")


async def test_a_call_comes_back_with_its_node(tmp_path: Path, desk: Desk, camera: Path) -> None:
    async with served(tmp_path) as first:
        tab = await desk.tab(camera)
        await tab.join(link(first))
        await tab.until("document.querySelector('#call-status').textContent === 'Connected'")
        port = int(first.url.rpartition(":")[2])
    await tab.until("document.querySelector('#call-status').textContent.includes('Trying again')")
    settings = bare_settings(tmp_path)
    web = settings.web.model_copy(update={"port": port})
    node = await asyncio.to_thread(bare_node, settings)
    await node.start()
    try:
        async with HttpServer(create_app(node, first.issuer, settings, wall), web):
            await tab.until("document.querySelector('#call-status').textContent === 'Connected'")
            (room,) = node.rooms()
            assert [one.name for one in room.participants] == ["Ada"]
    finally:
        await node.stop()


async def test_what_stands_in_the_way_is_said_in_plain_words(node: Served, desk: Desk) -> None:
    tab = await desk.tab()
    assert "names no room" in await trouble(tab, f"{node.url}/join/a%20b%zz")
    assert "need a token" in await trouble(tab, f"{node.url}/join/{ROOM}")
    assert "no token of this service" in await trouble(tab, f"{node.url}/join/{ROOM}#token=abc")
    assert "is for the room “dev”" in await trouble(tab, link(node, page="/join/other"))

    good = link(node)
    await tab.open("about:blank")
    await tab.open(good[:-4] + "AAAA")
    await tab.page.click("#agree")
    assert "Ask whoever invited you for a new link" in await tab.see("#before-trouble")
    await tab.page.fill("#token", good)
    await tab.page.click("#token-form button")
    await tab.page.click("#agree")
    await tab.until("document.querySelector('#before-trouble').textContent.includes('No camera was found')")
    assert not list(node.node.rooms())


async def test_a_page_without_https_says_so(node: Served, desk: Desk) -> None:
    browser = await desk.browser("--host-resolver-rules=MAP guard.example 127.0.0.1")
    tab = await desk.page(browser)
    assert "without HTTPS" in await trouble(tab, link(node).replace("127.0.0.1", "guard.example"))
    assert await tab.page.is_disabled("#agree")


async def test_a_full_room_is_tried_again(
    node: Served, desk: Desk, camera: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise CapacityError("publishers in this room: expected fewer than 16, there are 16")

    tab = await desk.tab(camera)
    with monkeypatch.context() as full:
        full.setattr(node.node, "publish", refuse)
        await tab.join(link(node))
        await tab.until(
            "document.querySelector('#call-status').textContent.includes('full, or about to stop')"
        )
    await tab.until("document.querySelector('#call-status').textContent === 'Connected'")


async def test_the_console_shows_who_comes_and_goes(node: Served, desk: Desk, camera: Path) -> None:
    console = await desk.tab()
    await console.open(link(node, page="/", admin=True))
    await console.until("document.querySelector('#link').textContent === 'Live'")
    assert "Nobody is in a call" in await console.see("#nobody")
    ada = await desk.tab(camera)
    await ada.join(link(node, HOSTILE))
    assert await console.see(".card h3") == HOSTILE
    assert "Cannot judge" in await console.see(".card .verdict")
    await console.page.click(".card summary")
    assert str(camera) in await console.text(".card .small")
    assert await console.text("#summary") == "1 participant in 1 room · 0 open alerts"
    await ada.page.click("#leave")
    await console.until("!document.querySelector('.card')")


async def test_a_guests_token_opens_no_console(node: Served, desk: Desk) -> None:
    tab = await desk.tab()
    await tab.open(link(node, page="/"))
    assert "--admin" in await tab.see("#enter-trouble")
    await tab.page.fill("#token", link(node, page="/", admin=True))
    await tab.page.click("#token-form button")
    await tab.until("document.querySelector('#link').textContent === 'Live'")
    await tab.page.reload()  # the token is kept for this tab
    await tab.until("document.querySelector('#link').textContent === 'Live'")


@pytest.mark.parametrize("page", ["/", f"/join/{ROOM}"])
async def test_a_narrow_screen_shows_all_of_it(node: Served, desk: Desk, page: str) -> None:
    tab = await desk.tab(viewport={"width": 360, "height": 740})
    await tab.open(link(node, page=page, admin=True, publish=True))
    await tab.until("[...document.querySelectorAll('h1')].some((one) => one.offsetParent)")
    assert await tab.run("document.documentElement.scrollWidth") <= 360


async def test_the_keyboard_is_enough(node: Served, desk: Desk, camera: Path) -> None:
    tab = await desk.tab(camera)
    await tab.open(link(node))
    await tab.until("document.activeElement.id === 'before-title'")
    for wanted in ("agree", "join"):
        await tab.until("(id) => document.getElementById(id).offsetParent", wanted)
        while await tab.run("document.activeElement.id") != wanted:
            await tab.page.keyboard.press("Tab")
        await tab.page.keyboard.press("Enter")
    await tab.until("document.querySelector('#call-status').textContent === 'Connected'")


async def test_events_are_read_wherever_the_pieces_are_cut(node: Served, desk: Desk) -> None:
    tab = await desk.tab()
    await tab.open(node.url)
    raw = list(STREAM.encode())
    wanted = [["one", "{\n}"], ["message", "ü"], ["message", ""]]
    for cuts in [[], *([at] for at in range(1, len(raw))), list(range(1, len(raw)))]:
        assert await tab.run(READ_STREAM, [raw, cuts]) == wanted, cuts


async def test_links_of_ice_servers_are_read(node: Served, desk: Desk) -> None:
    tab = await desk.tab()
    await tab.open(node.url)
    header = (
        '</whep/dev/p_1>; rel="related", <stun:s.example:3478>; rel="ice-server", '
        '<turn:t.example:3478?transport=udp>; rel=ice-server; username="1,2;\\"x"; credential="a>b"; '
        'credential-type="password", <http://x.example>; rel="ice-server"'
    )
    script = """async (header) => {
      const { iceServers } = await import("/static/whip.js");
      return iceServers(new Response(null, { headers: header ? { Link: header } : {} }));
    }"""
    assert await tab.run(script, header) == [
        {"urls": "stun:s.example:3478"},
        {"urls": "turn:t.example:3478?transport=udp", "username": '1,2;"x', "credential": "a>b"},
    ]
    assert await tab.run(script, "") == []
