"""A caller whose media passes a TURN server only: Debian's coturn, the node's own credentials for it."""

import asyncio
import re
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aioice import stun
from pydantic import SecretStr
from structlog.testing import capture_logs

from guard.core.errors import EnvironmentProblem
from guard.media import call
from guard.media.client import FrameSource, WhipPublisher
from guard.media.encode import VideoEncoder
from guard.media.subscriber import WhepSubscriber
from guard.media.transport import Peer
from guard.media.turn import IceServer, servers_for
from guard.web.app import create_app
from guard.web.server import HttpServer
from guard.web.tokens import TokenIssuer
from tests.support.media import LOOPBACK, drawn_frames, eventually
from tests.support.node import bare_node, bare_settings

TURNSERVER = shutil.which("turnserver")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(TURNSERVER is None, reason="no turnserver; install coturn"),
]

SECRET = "between the node and its relay"  # noqa: S105 -- of nobody
RELAYED = range(49_300, 49_320)
"""Ports on which the relay takes packets for its clients."""

STARTS = 3


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def node_peers(monkeypatch: pytest.MonkeyPatch) -> list[Peer]:
    """The peers of the node's calls; callers' own are none of them."""
    found: list[Peer] = []

    def peer(*given: Any, **named: Any) -> Peer:
        found.append(Peer(*given, **named))
        return found[-1]

    monkeypatch.setattr(call, "Peer", peer)
    return found


@asynccontextmanager
async def relay(folder: Path) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """A TURN server on loopback; gives its port, and what kills it."""
    for _ in range(STARTS):
        port = free_port()
        process = await start_relay(folder, port)
        if await asyncio.to_thread(answers, port):
            break
        process.kill()  # somebody else may have taken the port meanwhile
        await process.wait()
    else:
        pytest.fail("no TURN server answers")
    try:
        yield port, process.kill
    finally:
        with suppress(ProcessLookupError):  # killed already
            process.terminate()
        await process.wait()


async def start_relay(folder: Path, port: int) -> asyncio.subprocess.Process:
    """Start a TURN server at this port."""
    options = {
        "listening-ip": "127.0.0.1",
        "relay-ip": "127.0.0.1",
        "listening-port": port,
        "min-port": RELAYED.start,
        "max-port": RELAYED.stop - 1,
        "static-auth-secret": SECRET,
        "realm": "guard.test",
        "pidfile": folder / "turn.pid",
        "userdb": folder / "turn.db",
        "log-file": folder / "turn.log",
    }
    switches = (
        "use-auth-secret",
        "allow-loopback-peers",
        "no-cli",
        "no-tls",
        "no-dtls",
        "simple-log",
        "verbose",
    )
    words = [f"--{name}={value}" for name, value in options.items()] + [f"--{name}" for name in switches]
    quiet = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        str(TURNSERVER), "-n", *words, cwd=folder, stdout=quiet, stderr=quiet
    )


def answers(port: int) -> bool:
    """Wait until the server answers a STUN request, for 5 to 15 s; return whether it did."""
    request = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.1)
        for _ in range(100):
            try:
                asking.sendto(request, ("127.0.0.1", port))
                asking.recv(512)
            except OSError:  # not yet there, or not yet listening
                time.sleep(0.05)
            else:
                return True
    return False


@asynccontextmanager
async def serving(folder: Path, turn_port: int) -> AsyncIterator[tuple[str, str]]:
    """A node that tells callers of the relay; gives its address and a token for the room."""
    server = f"turn:127.0.0.1:{turn_port}?transport=udp"
    told = {"servers": (f"stun:127.0.0.1:{turn_port}", server), "turn_secret": SecretStr(SECRET)}
    settings = bare_settings(folder).model_copy(update={"ice": LOOPBACK.model_copy(update=told)})
    tokens = TokenIssuer("k" * 40, settings.web.token_audience)
    node = await asyncio.to_thread(bare_node, settings)

    def wall() -> datetime:
        return datetime.now(UTC)  # noqa: TID251 -- the relay has no other clock

    http = HttpServer(create_app(node, tokens, settings, wall), settings.web)
    await node.start()
    await http.start()
    try:
        now = wall().timestamp()
        yield http.url, tokens.issue("Anna", "room", now=now, publish=True, subscribe=True)
    finally:
        await http.stop()
        await node.stop()


def source() -> FrameSource:
    encoder = VideoEncoder("vp8", 160, 120, 30.0, 300_000)
    return FrameSource(drawn_frames(6000), encoder, time.monotonic)


async def test_a_caller_behind_a_relay_is_seen_at_the_relay_only(tmp_path: Path, node_peers: list[Peer]):
    async with AsyncExitStack() as stack:
        port, _ = await stack.enter_async_context(relay(tmp_path))
        url, token = await stack.enter_async_context(serving(tmp_path, port))
        publisher = WhipPublisher(
            f"{url}/whip/room", token, source(), clock=time.monotonic, ice=LOOPBACK, relay_only=True
        )
        stack.push_async_callback(publisher.stop)
        await publisher.start()
        assert publisher.watch_url is not None
        watcher = WhepSubscriber(
            publisher.watch_url, token, clock=time.monotonic, ice=LOOPBACK, relay_only=True
        )
        stack.push_async_callback(watcher.stop)
        await watcher.start()
        await eventually(lambda: watcher.stats().units > 10)

        seen = [peer.remote_address for peer in node_peers]
        named = [
            (candidate.host, candidate.port, candidate.type)
            for peer in node_peers
            for dtls in peer._transports
            for candidate in dtls.transport._connection.remote_candidates
        ]
    assert len(seen) == 2
    assert all(address is not None and address[1] in RELAYED for address in seen)
    assert {(host, kind) for host, _, kind in named} == {("127.0.0.1", "relay")}
    assert {port for _, port, _ in named} <= set(RELAYED)
    log = (tmp_path / "turn.log").read_text()
    assert re.search(r"username=<\d+:[0-9a-f]{16}>", log), log[-2000:]
    assert "Anna" not in log


async def test_a_wrong_password_at_the_relay_is_told(tmp_path: Path):
    async with AsyncExitStack() as stack:
        port, _ = await stack.enter_async_context(relay(tmp_path))
        url, token = await stack.enter_async_context(serving(tmp_path, port))
        wrong = (IceServer(f"turn:127.0.0.1:{port}", "4000000000:anna", "guess"),)
        publisher = WhipPublisher(
            f"{url}/whip/room", token, source(), clock=time.monotonic, servers=wrong, relay_only=True
        )
        with pytest.raises(EnvironmentProblem, match=r"got none .*401.*; check its address and password"):
            await publisher.start()
        await publisher.stop()


async def test_a_caller_whose_relay_dies_still_leaves_soon(tmp_path: Path):
    async with AsyncExitStack() as stack:
        port, kill = await stack.enter_async_context(relay(tmp_path))
        url, token = await stack.enter_async_context(serving(tmp_path, port))
        publisher = WhipPublisher(
            f"{url}/whip/room", token, source(), clock=time.monotonic, ice=LOOPBACK, relay_only=True
        )
        await publisher.start()
        kill()
        async with asyncio.timeout(10.0):
            await publisher.stop()


async def test_a_wrong_password_at_the_relay_is_logged_where_the_direct_way_is_open(tmp_path: Path):
    async with AsyncExitStack() as stack:
        port, _ = await stack.enter_async_context(relay(tmp_path))
        url, token = await stack.enter_async_context(serving(tmp_path, port))
        wrong = (IceServer(f"turn:127.0.0.1:{port}", "4000000000:anna", "guess"),)
        publisher = WhipPublisher(
            f"{url}/whip/room", token, source(), clock=time.monotonic, ice=LOOPBACK, servers=wrong
        )
        stack.push_async_callback(publisher.stop)
        with capture_logs() as logs:
            await publisher.start()
    (line,) = (one for one in logs if one["event"] == "no TURN server relays")
    assert "401" in line["reasons"][0]
    assert "guess" not in str(line)
    assert "anna" not in str(line)


async def test_of_relays_that_answer_together_one_is_kept(tmp_path: Path):
    async with AsyncExitStack() as stack:
        port, _ = await stack.enter_async_context(relay(tmp_path))
        url, token = await stack.enter_async_context(serving(tmp_path, port))
        told = LOOPBACK.model_copy(update={"turn_secret": SecretStr(SECRET)})
        urls = tuple(f"turn:127.0.0.1:{port}?transport={way}" for way in ("udp", "tcp", "udp"))
        ice = told.model_copy(update={"servers": urls})
        servers = servers_for(ice, "anna", datetime.now(UTC).timestamp())  # noqa: TID251 -- the relay has no other
        publisher = WhipPublisher(
            f"{url}/whip/room", token, source(), clock=time.monotonic, servers=servers, relay_only=True
        )
        stack.push_async_callback(publisher.stop)
        await publisher.start()
        (dtls,) = publisher._connection.peer._transports
        assert len(dtls.transport._connection._protocols) == 1
        await publisher.stop()
