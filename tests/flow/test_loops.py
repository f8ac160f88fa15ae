import asyncio
import logging
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
