"""Packages of npm as callers; `.ci/run` puts them beside the Python environment."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.interop import PEERS

MODULES = Path(sys.prefix) / "npm" / "node_modules"
PATIENCE_S = 30.0

REQUIRED = "GUARD_REQUIRE_PEERS"
"""An environment variable; where it is 1, a test fails that has to do without its caller."""


def package(name: str) -> Path:
    """The folder of a package; ends the test where it is not installed."""
    folder = MODULES / name
    if not folder.is_dir():
        _missing(f"the npm package {name} is not installed; .ci/run has the command")
    return folder


def _missing(what: str) -> NoReturn:
    """Skip the test, or fail it where nothing may be missing."""
    (pytest.fail if os.environ.get(REQUIRED) == "1" else pytest.skip)(what)


class Script:
    """A caller that runs in Node.js and writes lines of JSON."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def says(self, word: str) -> Any:
        """What its next line says under this word."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await self.process.stdout.readline()
        assert line, await self._complaint()
        return json.loads(line)[word]

    async def end(self) -> Any:
        """Have it leave; what it tells at its end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return await self.says("ended")

    async def _complaint(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()


@asynccontextmanager
async def werift(role: str, url: str, token: str, **options: Any) -> AsyncIterator[Script]:
    """A caller on werift, see werift.mjs; it has joined."""
    node = shutil.which("node")
    if node is None:
        _missing("Node.js is not installed")
    module = package("werift") / "lib" / "index.mjs"
    given = {"module": module.as_uri(), "role": role, "url": url, "token": token} | options
    process = await asyncio.create_subprocess_exec(
        node,
        str(PEERS / "werift.mjs"),
        json.dumps(given),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=1 << 20,
    )
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
