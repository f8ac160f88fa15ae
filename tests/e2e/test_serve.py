"""``guard serve`` as an operator runs it."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path

import httpx
import pytest

from guard.cli.demo.pictures import talking_person
from tests.support.alerts import free_port, mosquitto
from tests.support.served import running

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


def test_it_serves_with_a_token_of_its_own_until_sigterm(tmp_path: Path):
    (tmp_path / "guard.toml").write_text("[web]\nport = 0\n[mqtt]\nurl = 'mqtt://127.0.0.1:9'\n")
    command = [sys.executable, "-m", "guard", "serve", "--dev", "--config", "guard.toml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GUARD_BOOTSTRAPPED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening at ").strip()
        token = process.stdout.readline().removeprefix("token for the room dev: ").strip()
        join, _, console = (process.stdout.readline().split()[1] for _ in range(3))
        try:
            rooms = httpx.get(
                f"{url}/v1/rooms", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=20
            )
            pages = [httpx.get(page, trust_env=False, timeout=20).status_code for page in (join, console)]
        finally:
            process.send_signal(signal.SIGTERM)
            _, logged = process.communicate(timeout=30)
    assert (rooms.status_code, rooms.json()) == (200, [])
    assert (join.startswith(f"{url}/join/dev#token="), console) == (True, f"{url}/#token={token}")
    assert pages == [200, 200]
    assert process.returncode == 0, logged
    assert "Traceback" not in logged
    assert "W0000" not in logged


async def test_sigterm_ends_it_within_ten_seconds_whatever_hangs(tmp_path: Path):
    """A caller, a broker that stands still, a locked outbox, a slow body and a stream that nobody reads."""
    clip = str(await asyncio.to_thread(talking_person))
    port = free_port()
    async with mosquitto(tmp_path) as broker, AsyncExitStack() as stack:
        settings = {"GUARD__MQTT__URL": broker.url, "GUARD__WEB__PORT": str(port)}
        async with running(tmp_path, "serve", "--dev", **settings) as node:
            await node.line()
            token = (await node.line()).rpartition(" ")[2].strip()
            to = f"http://127.0.0.1:{port}/whip/dev"
            async with running(tmp_path, "publish", clip, "--to", to, "--loop", GUARD_TOKEN=token) as caller:
                while "WHEP" not in await caller.line(of_errors=True):
                    pass
                await asyncio.sleep(3.0)
                broker.send(signal.SIGSTOP)
                stack.callback(broker.send, signal.SIGCONT)
                with (
                    closing(
                        sqlite3.connect(tmp_path / "guard-outbox.sqlite3", isolation_level=None)
                    ) as other,
                    socket.create_connection(("127.0.0.1", port)) as slow,
                    socket.create_connection(("127.0.0.1", port)) as listener,
                ):
                    bearer = f"Authorization: Bearer {token}\r\n".encode()
                    listener.sendall(b"GET /v1/events HTTP/1.1\r\nHost: guard\r\n" + bearer + b"\r\n")
                    await asyncio.sleep(1.0)
                    other.execute("BEGIN IMMEDIATE")
                    slow.sendall(b"POST /whip/dev HTTP/1.1\r\nHost: guard\r\nContent-Length: 9\r\n\r\nv")
                    began = time.monotonic()
                    node.interrupt(signal.SIGTERM)
                    done = await node.end()
                    took = time.monotonic() - began
    assert took < 10.0, done.error
    assert done.status == 0, done.error
    assert "Traceback" not in done.error
