"""The whole product as visitors and operators see it: Chromium, ``guard serve``, mosquitto."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory

import pytest

from guard.alerts.desk import StatePayload
from guard.alerts.lifecycle import AlertKind
from guard.cli.demo.pictures import astronaut, bona_fide, held_photo, talking_person
from guard.config import FaceSettings, MqttSettings
from guard.core.types import Family, State
from guard.web.tokens import TokenIssuer
from tests.support.alerts import Watcher, mosquitto, watching
from tests.support.browser import Desk, chromium, write_camera
from tests.support.served import running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

ROOM = "standup"
KEY = "k" * 48
CALLS = Path(__file__).resolve().parents[3] / "shared" / "data" / "calls" / "bona_fide"

FRAMES = """([name, least]) => {
  const named = (one) => one.querySelector(".tile-name").textContent === name;
  const tile = [...document.querySelectorAll(".tile[data-participant]")].find(named);
  const video = tile?.querySelector("video");
  return video && video.currentTime > 0 && video.getVideoPlaybackQuality().totalVideoFrames >= least;
}"""

CARD_SAYS = """([name, words]) => {
  const named = (one) => one.querySelector("h3").textContent === name;
  const card = [...document.querySelectorAll(".card")].find(named);
  return card?.querySelector(".verdict").textContent.includes(words);
}"""

PLOTTED = "document.querySelector('.card .plot .liveness')?.getAttribute('d').length > 100"

ALERT_SAYS = "(words) => document.querySelector('#open-alerts .alert')?.textContent.includes(words)"


@dataclass(frozen=True, slots=True)
class Service:
    """A node with its engines, a broker, and somebody who listens to it."""

    url: str
    broker: Watcher

    def link(
        self,
        name: str,
        page: str = f"/join/{ROOM}",
        *,
        publish: bool = False,
        subscribe: bool = False,
        admin: bool = False,
    ) -> str:
        """What is sent to somebody; good for a whole call where nothing is said."""
        whole = not (publish or subscribe or admin)
        token = TokenIssuer(KEY, "call-guard").issue(
            name,
            ROOM,
            now=time.time(),  # noqa: TID251 -- tokens are dated
            publish=publish or whole,
            subscribe=subscribe or whole,
            admin=admin,
        )
        return f"{self.url}{page}#token={token}"

    def states(self, name: str) -> list[StatePayload]:
        """What the broker was told of somebody, oldest first."""
        told = [one.payload for one in self.broker.messages if one.topic.endswith("/state") and one.payload]
        return [one for one in map(StatePayload.model_validate_json, told) if one.display_name == name]

    def raised(self, name: str) -> list[Family]:
        """The alerts about somebody."""
        alerts = self.broker.alerts()
        return [one.family for one in alerts if one.display_name == name and one.kind is AlertKind.RAISED]


@pytest.fixture(scope="module")
def clips() -> Iterator[Path]:
    """What is held before the cameras."""
    with TemporaryDirectory(prefix="guard-cameras-") as folder:
        write_camera(Path(folder) / "talk.y4m", bona_fide(talking_person(), seed=1), seconds=20)
        write_camera(Path(folder) / "photo.y4m", held_photo(astronaut(), FaceSettings(), seed=2), seconds=20)
        yield Path(folder)


@pytest.fixture
def call_clip(tmp_path: Path) -> Iterator[Path]:
    """Somebody in a clip of a video call."""
    clip = CALLS / "liveportrait_d0.mp4"
    if not clip.is_file():
        pytest.skip("shared/data/calls is not there")
    made = write_camera(tmp_path / "call.y4m", bona_fide(clip, seed=1), seconds=8)
    yield made
    made.unlink()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with chromium() as desk:
        yield desk
        assert desk.complaints == []


@asynccontextmanager
async def service(folder: Path, *, show_own_state: bool) -> AsyncIterator[Service]:
    settings = {
        "GUARD__WEB__PORT": "0",
        "GUARD__WEB__TOKEN_KEY": KEY,
        "GUARD__ICE__ALLOW_LOOPBACK": "true",
        "GUARD__ICE__HOST_ADDRESSES": "127.0.0.1",
        "GUARD__PAGES__SHOW_OWN_STATE": str(show_own_state).lower(),
    }
    async with (
        mosquitto(folder) as broker,
        running(folder, "serve", GUARD__MQTT__URL=broker.url, **settings) as node,
    ):
        greeting = await node.line()
        assert greeting.startswith("listening at "), (await node.end()).error
        async with watching(MqttSettings(url=broker.url)) as watcher:
            yield Service(greeting.removeprefix("listening at ").strip(), watcher)
        node.interrupt(SIGTERM)
        done = await node.end()
    assert done.status == 0, done.error
    assert "Traceback" not in done.error


async def test_a_call_through_the_pages_with_somebody_who_holds_a_photo(
    tmp_path: Path, desk: Desk, clips: Path
) -> None:
    async with service(tmp_path, show_own_state=False) as node:
        console = await desk.tab()
        await console.open(node.link("soc", "/", admin=True))
        ada = await desk.tab(clips / "talk.y4m")
        await ada.join(node.link("Ada"))
        mallory = await desk.tab(clips / "photo.y4m")
        await mallory.join(node.link("Mallory"))
        watcher = await desk.tab()
        await watcher.open(node.link("Eve", subscribe=True))
        await watcher.page.click("#agree")

        for name in ("Ada", "Mallory"):
            await watcher.until(FRAMES, [name, 30])
        await ada.until(FRAMES, ["Mallory", 30])
        await console.until(CARD_SAYS, ["Ada", "Bona fide"])
        await console.until(PLOTTED)
        await node.broker.until(lambda: any(one.state is State.BONA_FIDE for one in node.states("Ada")))

        await node.broker.until(lambda: Family.PRESENTATION in node.raised("Mallory"), patience=60)
        assert "Mallory" in await console.see("#open-alerts .alert")
        await console.until(CARD_SAYS, ["Mallory", "Suspected attack"])
        await console.page.fill(".ack input", "is looked after")
        await console.page.click(".ack button")
        await console.until(
            "document.querySelector('#open-alerts .alert')?.textContent.includes('Acknowledged by soc')"
        )
        assert node.raised("Ada") == []
        assert await ada.page.is_hidden("#own-state")

        await mallory.page.close(run_before_unload=True)
        await console.until("document.querySelector('#closed-count').textContent === '1'")
        await ada.page.click("#leave")
        await watcher.until("!document.querySelector('.tile[data-participant]')")
        assert "Nobody is in a call" in await console.see("#nobody")


async def test_somebody_in_a_call_sees_how_they_are_judged(
    tmp_path: Path, desk: Desk, call_clip: Path
) -> None:
    async with service(tmp_path, show_own_state=True) as node:
        tab = await desk.tab(call_clip)
        await tab.join(node.link("Grace"))
        assert await tab.see("#own-state[data-state='bona_fide']")
        await node.broker.until(lambda: any(one.state is State.BONA_FIDE for one in node.states("Grace")))
        assert node.raised("Grace") == []
        await tab.page.click("#leave")
