"""The pages in a real Chromium, against a node that takes calls and judges nobody."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guard.cli.demo.pictures import bona_fide, talking_person
from guard.core.errors import CapacityError
from guard.session.events import Joined, StateChanged
from guard.web.app import create_app
from guard.web.server import HttpServer
from tests.support.browser import Desk, Tab, write_camera
from tests.support.media import eventually
from tests.support.node import bare_node, bare_settings, wall
from tests.support.served import ROOM, Served, served

if TYPE_CHECKING:
    from playwright.async_api import Route

pytestmark = pytest.mark.e2e

LOST = "The connection was lost. Trying again in"

HOSTILE = "<img src=x onerror=document.title='owned'>"

SNAPSHOT = 'event: snapshot\ndata: {"rooms": [], "alerts": []}\n\n'

FRAMES = """(least) => {
  const videos = [...document.querySelectorAll(".tile[data-participant] video")];
  return videos.length > 0 && videos.every((one) => one.getVideoPlaybackQuality().totalVideoFrames >= least);
}"""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "talk.y4m"
    return write_camera(path, bona_fide(talking_person(), seed=1), seconds=4)


def link(
    node: Served,
    name: str = "Ada",
    *,
    page: str = f"/join/{ROOM}",
    publish: bool = False,
    subscribe: bool = False,
    admin: bool = False,
) -> str:
    """Good for a whole call where nothing is said."""
    whole = not (publish or subscribe or admin)
    token = node.issuer.issue(
        name,
        ROOM,
        now=time.time(),  # noqa: TID251 -- tokens are dated
        publish=publish or whole,
        subscribe=subscribe or whole,
        admin=admin,
    )
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
    assert "no picture and no sound of you is sent" in await watcher.see("#notice-analysed")
    assert "your video" not in await watcher.text("#facts")
    assert await watcher.page.is_hidden("#kept")
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
    assert await tab.page.is_hidden("#facts")

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
            "document.querySelector('#call-status').textContent.includes('There is no place now')"
        )
    await tab.until("document.querySelector('#call-status').textContent === 'Connected'")


async def test_a_call_says_at_once_when_the_node_is_gone(tmp_path: Path, desk: Desk, camera: Path) -> None:
    """Nothing but the events tells in time: the media of a killed node just stays away."""
    async with served(tmp_path) as node:
        tab = await desk.tab(camera)
        await tab.join(link(node))
        await tab.until("document.querySelector('#call-status').textContent === 'Connected'")
        await tab.page.route("**/v1/events", lambda route: route.abort())
        node.node.events.close()
        await tab.until(f"document.querySelector('#call-status').textContent.includes({LOST!r})")
        assert await tab.run("document.querySelector('#call-status').dataset.state") == "waiting"
        assert list(node.node.rooms())


async def test_a_service_without_room_for_more_is_asked_again_when_it_says(
    node: Served, desk: Desk, camera: Path
) -> None:
    requests = 0

    async def refuse(route: "Route") -> None:
        nonlocal requests
        requests += 1
        detail = json.dumps({"detail": "expected fewer than 3 live event streams"})
        headers = {"Retry-After": "70", "Content-Type": "application/problem+json"}
        await route.fulfill(status=503, headers=headers, body=detail)

    ada, watcher, console = await desk.tab(camera), await desk.tab(), await desk.tab()
    for tab in (ada, watcher, console):
        await tab.page.route("**/v1/events", refuse)
    await ada.join(link(node))
    await ada.until(
        "document.querySelector('#call-status').textContent.startsWith('Your video arrives, but')"
    )
    await watcher.open(link(node, "Eve", subscribe=True))
    await watcher.page.click("#agree")
    await watcher.until("document.querySelector('#call-status').textContent.includes('Trying again in 70 s')")
    assert "no place now" in await watcher.text("#call-status")
    await console.open(link(node, page="/", admin=True))
    assert "fewer than 3 live event streams" in await console.see("#board-trouble")
    assert await console.text("#link") == "Reconnecting in 70 s"
    assert requests == 3


async def test_a_console_that_missed_events_begins_anew_but_not_at_once(node: Served, desk: Desk) -> None:
    requests: list[str] = []

    async def tell(route: "Route") -> None:
        body = SNAPSHOT + 'event: dropped\ndata: {"count": 3}\n\n' * 5
        await route.fulfill(headers={"Content-Type": "text/event-stream"}, body=body)

    tab = await desk.tab()
    tab.page.on("request", lambda request: requests.append(request.url.removeprefix(node.url)))
    await tab.page.route("**/v1/events", tell)
    await tab.open(link(node, page="/", admin=True))
    await tab.until("document.querySelector('#link').textContent === 'Reconnecting in 3 s'")
    await asyncio.sleep(1.5)
    assert [url for url in requests if url.startswith("/v1/")] == ["/v1/events", "/v1/alerts?limit=100"]


async def test_news_of_somebody_who_left_brings_nobody_back(node: Served, desk: Desk, camera: Path) -> None:
    console = await desk.tab()
    await console.open(link(node, page="/", admin=True))
    ada = await desk.tab(camera)
    await ada.join(link(node))
    await console.see(".card")
    (room,) = node.node.rooms()
    (status,) = room.participants
    await ada.page.click("#leave")
    await console.until("!document.querySelector('.card')")
    node.node.events.post(StateChanged(wall(), ROOM, status))
    attached = replace(status, id="p_elsewhere", name="Eve", relayed=False)
    node.node.events.post(Joined(wall(), ROOM, attached))
    assert "Attached" in await console.see(".card")
    assert await console.run("document.querySelectorAll('.card').length") == 1


async def test_whoever_the_node_does_not_know_any_more_is_not_asked_for_again(
    node: Served, desk: Desk, camera: Path
) -> None:
    ada = await desk.tab(camera)
    await ada.join(link(node))
    await ada.until("document.querySelector('#call-status').textContent === 'Connected'")
    (room,) = node.node.rooms()
    (status,) = room.participants
    watcher = await desk.tab()
    await watcher.open(link(node, "Eve", subscribe=True))
    await watcher.page.click("#agree")
    await watcher.until(FRAMES, 1)
    answers: list[int] = []
    watcher.page.on("response", lambda answer: answers.append(answer.status))
    ghost = replace(status, id="p_ghost")
    node.node.events.post(Joined(wall(), ROOM, ghost))
    await watcher.until("document.querySelector('#news').textContent === 'Ada left'")
    await watcher.until("document.querySelectorAll('.tile[data-participant]').length === 1")
    assert answers == [204, 404]
    await asyncio.sleep(2)
    assert answers == [204, 404]


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


async def test_a_long_notice_fits_a_narrow_screen(node: Served, desk: Desk) -> None:
    long = "x" * 200
    texts = dict.fromkeys(("operator", "contact", "purpose", "kept"), f"https://{long}")
    notice = json.dumps({**texts, "analysed": [long, long], "show_own_state": True})
    tab = await desk.tab(viewport={"width": 360, "height": 740})
    await tab.page.route("**/v1/notice", lambda route: route.fulfill(body=notice))
    await tab.open(link(node, long))
    assert long in await tab.see("#notice-contact a")
    assert await tab.run("document.documentElement.scrollWidth") <= 360


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
