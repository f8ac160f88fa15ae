import asyncio
import logging
import socket
import sys

import pytest
import uvloop

from guard.flow import loops

pytestmark = pytest.mark.unit


async def running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_work_runs_on_uvloop_and_its_result_comes_back():
    loop = loops.run(running_loop())
    assert isinstance(loop, uvloop.Loop)
    assert loop.is_closed()


def test_without_uvloop_asyncio_serves_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setitem(sys.modules, "uvloop", None)  # its import raises ImportError
    with caplog.at_level(logging.DEBUG, loops.__name__):
        loop = loops.run(running_loop())
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert "without uvloop: import of uvloop halted" in caplog.text


def test_what_the_work_raises_is_raised():
    async def fail() -> None:
        msg = "as it should"
        raise LookupError(msg)

    with pytest.raises(LookupError, match="as it should"):
        loops.run(fail())


@pytest.mark.parametrize("steps", range(1, 5))
def test_who_is_cancelled_while_a_datagram_socket_opens_leaves_none(steps: int):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setblocking(False)  # noqa: FBT003 -- its only argument
    udp.bind(("127.0.0.1", 0))
    lost: list[Exception | None] = []

    class Endpoint(asyncio.DatagramProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(exc)

    async def give_up() -> None:
        loop = asyncio.get_running_loop()
        opening = asyncio.create_task(loop.create_datagram_endpoint(Endpoint, sock=udp))
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        (outcome,) = await asyncio.gather(opening, return_exceptions=True)
        if isinstance(outcome, tuple):
            outcome[0].close()
        async with asyncio.timeout(5):
            while not lost:  # noqa: ASYNC110 -- nobody tells
                await asyncio.sleep(0)

    loops.run(give_up())
    assert (lost, udp.fileno()) == ([None], -1)


def test_what_is_no_datagram_socket_is_refused():
    async def fail() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as tcp:
            tcp.setblocking(False)  # noqa: FBT003 -- its only argument
            await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=tcp)

    with pytest.raises(ValueError, match="A UDP Socket was expected"):
        loops.run(fail())
