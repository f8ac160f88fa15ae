"""Standard output beside an event loop: readers that are gone, stuck or full."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from guard.cli.output import ReaderLeft, write_out
from guard.core.errors import EnvironmentProblem
from tests.support.media import eventually

pytestmark = [pytest.mark.media, pytest.mark.peers]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where what is written to standard output can be read."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="ascii") as stdout:
        monkeypatch.setattr(sys, "__stdout__", stdout)
        yield reading


async def test_a_text_is_written_whole_however_long(reader: int):
    text = "x" * 300_000
    writing = asyncio.create_task(write_out(text))
    read = b""
    while len(read) < len(text):
        read += await asyncio.to_thread(os.read, reader, 65536)
    await writing
    assert read.decode() == text
    os.close(reader)


async def test_what_the_encoding_lacks_is_replaced(reader: int):
    await write_out("95 · 96")
    assert await asyncio.to_thread(os.read, reader, 100) == b"95 ? 96"
    os.close(reader)


async def test_a_reader_who_left_is_told_apart(reader: int):
    os.close(reader)
    with pytest.raises(ReaderLeft):
        await write_out("anything")


async def test_nobody_waits_for_a_reader_who_takes_nothing(reader: int):
    writing = asyncio.create_task(write_out("x" * 300_000))
    await eventually(lambda: "stdout" in {one.name for one in threading.enumerate()})
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await writing
    os.close(reader)  # ends the thread


async def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch):
    with open("/dev/full", "w", encoding="ascii") as stdout:  # noqa: ASYNC230, PTH123 -- a device, at once
        monkeypatch.setattr(sys, "__stdout__", stdout)
        with pytest.raises(EnvironmentProblem, match="No space left"):
            await write_out("anything")


async def test_without_standard_output_nothing_is_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "__stdout__", None)
    await write_out("anything")
