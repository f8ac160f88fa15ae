"""A thousand joins and leaves leave nothing behind: no task, no thread, no descriptor, no memory."""

import asyncio
import gc
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from guard.media.assembler import Codec
from guard.media.client import FORMATS
from guard.media.forwarder import UnitQueue
from guard.media.transport import Peer
from guard.session.node import Node
from guard.session.visitor import Visitor
from tests.support.calls import house
from tests.support.gates import THREADS_ALLOWED
from tests.support.interop import Record
from tests.support.media import LOOPBACK, encoded_units
from tests.support.node import bare_settings

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PAIRS = 500
"""Each is two joins and two leaves."""

BATCH = 50
WARM_BATCHES = 2
AT_ONCE = 4
UNITS = encoded_units(Codec.VP8, 2, keyframe_every=1, width=64, height=48)
LEAK_BYTES = 8192
"""So much may the process grow a pair once it is warm; a leaked peer alone would hold more. The medians of
two halves are compared, because memory comes from the system in steps of many pairs."""


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds."""

    tasks: int
    threads: tuple[str, ...]
    descriptors: int
    rss: int

    @classmethod
    def now(cls) -> "Held":
        """After a collection of garbage."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- counts, and opens one itself every time
        names = [one.name for one in threading.enumerate()]
        threads = tuple(sorted(name for name in names if not name.startswith(tuple(THREADS_ALLOWED))))
        return cls(len(asyncio.all_tasks()), threads, descriptors, pages * os.sysconf("SC_PAGESIZE"))

    @property
    def counted(self) -> tuple[int, tuple[str, ...], int]:
        """All but memory; threads by name, so that a failure says which was left."""
        return self.tasks, self.threads, self.descriptors


async def pair(node: Node, number: int) -> None:
    """Somebody publishes, somebody watches until a picture comes, both leave in one order or the other."""
    visitor, room = Visitor(f"v{number}", f"v{number}"), f"room-{number}"
    queue = UnitQueue(8, time.monotonic)
    came = asyncio.Event()
    ada = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True)
    bob = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True)
    ada.send(FORMATS[Codec.VP8], queue, lambda: None)
    bob.receive("video", (FORMATS[Codec.VP8],), lambda _: came.set())
    published = await node.publish(room, visitor, await ada.offer())
    await ada.accept(published.answer)
    seen = await node.subscribe(room, published.participant_id, visitor, await bob.offer())
    await bob.accept(seen.answer)
    async with asyncio.timeout(20):
        while not came.is_set():
            for unit in UNITS:
                queue.put(unit)
            await asyncio.sleep(0.02)
    sessions = [published.session_id, seen.session_id]
    if number % 2:
        await node.leave(sessions[1])
    await node.leave(sessions[0])
    queue.close()
    await asyncio.gather(ada.close(), bob.close())


async def pairs(node: Node, numbers: range) -> None:
    """So many pairs, a few at a time."""
    waiting = iter(numbers)

    async def some() -> None:
        for number in waiting:
            await pair(node, number)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted by /proc")
async def test_a_thousand_joins_and_leaves_leave_nothing_behind(
    tmp_path: Path, record_property: Record
) -> None:
    async with house(bare_settings(tmp_path)) as there:
        held = []
        began = time.monotonic()
        for first in range(0, PAIRS, BATCH):
            await pairs(there.node, range(first, first + BATCH))
            await there.empty()
            held.append(await settled())
        took = time.monotonic() - began
    record_property("seen", json.dumps({"took_s": took, "held": [str(one) for one in held]}))
    warm, last = held[WARM_BATCHES - 1], held[-1]
    assert last.counted == warm.counted
    assert growth(held[WARM_BATCHES:]) <= LEAK_BYTES


def growth(held: list[Held]) -> float:
    """Bytes a pair, from the first half of these batches to the second."""
    middle = len(held) // 2
    early, late = (median(one.rss for one in half) for half in (held[:middle], held[-middle:]))
    return (late - early) / (BATCH * (len(held) - middle))


async def settled() -> Held:
    """What is held once nothing changes any more."""
    last = Held.now()
    for _ in range(20):
        await asyncio.sleep(0.05)
        before, last = last, Held.now()
        if before.counted == last.counted:
            break
    return last
