"""A real Chromium as callers use it: cameras that show files, and pages that must not complain."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from guard.cli.demo.pictures import FPS
from guard.core.types import Picture
from guard.faces.pictures import as_frame

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Page, Playwright

PATIENCE_MS = 30_000.0
INTERVAL_S = 0.05

CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
"""Every permission is given, and the microphone beeps."""

EXPECTED_COMPLAINTS = (
    "Failed to load resource",  # said of every request that was answered with 4xx
    "The Cross-Origin-Opener-Policy header has been ignored",  # said of pages without HTTPS
)
"""Beginnings of what Chromium finds worth an error and we do not."""


def write_camera(path: Path, pictures: Iterable[Picture], seconds: float) -> Path:
    """Write so much of some pictures of one size as YUV4MPEG2, which Chromium's camera shows in a loop."""
    with path.open("wb") as file:
        for number, picture in enumerate(islice(pictures, round(seconds * FPS))):
            if number == 0:
                height, width = picture.shape[:2]
                file.write(f"YUV4MPEG2 W{width} H{height} F{FPS:g}:1 Ip A1:1 C420jpeg\n".encode())
            frame = as_frame(picture, number / FPS)
            file.write(b"FRAME\n" + frame.y.tobytes() + frame.u.tobytes() + frame.v.tobytes())
    return path


class Tab:
    """A page that notes what goes wrong in it."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._note)

    async def open(self, link: str) -> None:
        """Go to an address."""
        await self.page.goto(link)

    async def join(self, link: str) -> None:
        """Open a join link, read, agree, look at the camera, join."""
        await self.open(link)
        await self.page.click("#agree")
        await self.page.click("#join")

    async def until(self, condition: str, argument: object = None) -> None:
        """Wait until a JavaScript expression (or a function of ``argument``) is true in the page.

        Asks again and again from outside: what playwright has for it needs eval(), which our policy forbids.
        """
        async with asyncio.timeout(PATIENCE_MS / 1000):
            while not await self.run(condition, argument):  # noqa: ASYNC110 -- nothing tells us of it
                await asyncio.sleep(INTERVAL_S)

    async def text(self, selector: str) -> str:
        """What is to be read there."""
        return (await self.page.inner_text(selector)).strip()

    async def see(self, selector: str) -> str:
        """Wait until something can be seen; return its text."""
        await self.page.wait_for_selector(selector, state="visible")
        return await self.text(selector)

    async def run(self, script: str, argument: object = None) -> Any:
        """The value of a JavaScript expression (or of a function of ``argument``) in the page."""
        return await self.page.evaluate(script, argument)

    def _note(self, message: "ConsoleMessage") -> None:
        if message.type == "error" and not message.text.startswith(EXPECTED_COMPLAINTS):
            self.complaints.append(message.text)


class Desk:
    """Browsers of one test."""

    def __init__(self, player: "Playwright", path: str, stack: AsyncExitStack) -> None:
        self._player = player
        self._path = path
        self._stack = stack
        self.tabs: list[Tab] = []

    async def tab(self, camera: Path | None = None, **options: Any) -> Tab:
        """A page in a browser of its own; its camera shows a file, or there is none."""
        given = () if camera is None else (*CAMERA, f"--use-file-for-fake-video-capture={camera}")
        return await self.page(await self.browser(*given), **options)

    async def browser(self, *arguments: str) -> "Browser":
        """A browser without a screen."""
        sandbox = ("--no-sandbox",) if os.getuid() == 0 else ()
        browser = await self._player.chromium.launch(
            executable_path=self._path, args=[*sandbox, *arguments], timeout=PATIENCE_MS
        )
        self._stack.push_async_callback(browser.close)
        return browser

    async def page(self, browser: "Browser", **options: Any) -> Tab:
        """A page that shares nothing with the others; ``options`` are playwright's of a context."""
        context = await browser.new_context(**options)
        tab = Tab(await context.new_page())
        self.tabs.append(tab)
        return tab

    @property
    def complaints(self) -> list[str]:
        """What went wrong in any page."""
        return [complaint for tab in self.tabs for complaint in tab.complaints]


@asynccontextmanager
async def chromium() -> AsyncIterator[Desk]:
    """Browsers for a test; skipped where there is no Chromium, or no playwright to drive it."""
    driver = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("chromium is not installed")
    async with AsyncExitStack() as stack:
        player = await stack.enter_async_context(driver.async_playwright())
        yield Desk(player, path, stack)
