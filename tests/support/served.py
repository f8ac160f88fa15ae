"""A bare node behind HTTP in the test's own loop, and commands as processes of their own."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from guard.config import Settings
from guard.session.node import Node
from guard.web.app import create_app
from guard.web.server import HttpServer
from guard.web.tokens import TokenIssuer
from tests.support.command import Done
from tests.support.node import bare_node, bare_settings, wall

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
STDOUT = 1
ROOM = "dev"


@dataclass(frozen=True, slots=True)
class Served:
    """A node that takes calls."""

    node: Node
    url: str
    issuer: TokenIssuer

    @property
    def whip(self) -> str:
        """Where a caller joins."""
        return f"{self.url}/whip/{ROOM}"

    def token(self, name: str = "Ada") -> str:
        """Lets ``name`` publish and subscribe."""
        return self.issuer.issue(name, ROOM, now=time.time(), publish=True, subscribe=True)  # noqa: TID251 -- tokens are dated


@asynccontextmanager
async def served(folder: Path, settings: Settings | None = None) -> AsyncIterator[Served]:
    """A node on loopback, without engines and without a broker."""
    settings = settings or bare_settings(folder)
    node = await asyncio.to_thread(bare_node, settings)
    issuer = TokenIssuer("k" * 48, settings.web.token_audience)
    await node.start()
    try:
        async with HttpServer(create_app(node, issuer, settings, wall), settings.web) as server:
            yield Served(node, server.url, issuer)
    finally:
        await node.stop()


class Running:
    """``guard`` as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self, *, of_errors: bool = False) -> str:
        """The next line that it writes; empty after the last one."""
        stream = self._process.stderr if of_errors else self._process.stdout
        assert stream is not None
        async with asyncio.timeout(PATIENCE_S):
            return (await stream.readline()).decode()

    def stop_reading(self) -> None:
        """Read none of its output any more, as ``head`` does."""
        transport = self._process._transport.get_pipe_transport(STDOUT)  # type: ignore[attr-defined]  # asyncio offers nothing else
        transport.close()

    def interrupt(self, how: signal.Signals = signal.SIGINT) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(how)

    async def ended(self) -> None:
        """Wait for its end, without reading what it writes."""
        async with asyncio.timeout(PATIENCE_S):
            while self._process.returncode is None:  # noqa: ASYNC110 -- wait() also waits for its pipes
                await asyncio.sleep(0.05)

    async def end(self) -> Done:
        """Wait for its end."""
        async with asyncio.timeout(PATIENCE_S):
            out, error = await self._process.communicate()
        return Done(self._process.returncode, out.decode(), error.decode())


@asynccontextmanager
async def running(folder: Path, *arguments: str, **environment: str) -> AsyncIterator[Running]:
    """``guard`` with arguments, in a folder; its environment holds no settings but those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GUARD")}
    ours = {"PYTHONPATH": str(ROOT), "GUARD_BOOTSTRAPPED": "1", "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "guard",
        *arguments,
        cwd=folder,
        env=kept | ours | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ran(folder: Path, *arguments: str, **environment: str) -> Done:
    """``guard`` with arguments, to its end."""
    async with running(folder, *arguments, **environment) as command:
        return await command.end()
