"""One case: publishers, a relay and subscribers on one core, and what a window of it shows."""

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.relaying.callers import TICKS, Mark, Publishers, Sent, Subscribers
from bench.relaying.process import Actor, Reading, Worker
from bench.relaying.relays import EchoRelay, OurRelay, Relay, StockRelay

WARM_UP_S = 1.5
QUIET_S = 0.25
QUIET_SHARE = 0.1
DRAIN_S = 10.0
"""After a window its last pictures may still come: until the relay takes less than a tenth of the core in a
quarter of a second, but no longer than this. So a relay that fell behind disturbs no other's window."""

PAIRING_MARKS = 60
PAIRING_S = 10.0
SAMPLE_S = 0.5
MAKERS: dict[str, Callable[[], Relay]] = {
    "stock": StockRelay,
    "echo": EchoRelay,
    **{
        name + suffix: partial(OurRelay, name, tap=tap)
        for name in ("rtp", "frame", "transcode")
        for suffix, tap in (("", False), ("+tap", True))
    },
}
"""What stands in the middle, by the name of the mode."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one window showed."""

    cpu_s: float
    """Of the relay process alone."""
    wall_s: float
    pictures: int
    """Of which the last packet came, all subscribers together."""
    packets: int
    """Received, all subscribers together."""
    delays: list[float]
    """Seconds from ready in the publisher to the last packet in the subscriber, of each picture that was
    ready in the window, also where it came later."""
    late_s: list[float]
    """How late each picture was ready."""
    keyframes_wanted: int
    core: float
    """Share of the core that was busy, whoever used it."""
    rss: list[tuple[float, float]]
    """Seconds since the window began, and the relay's MiB."""
    told: dict[str, Any]


@dataclass
class Case:
    """A mode with its calls, running and paused; ``windows`` are those measured so far."""

    mode: str
    size: int
    rooms: int
    subscribers: int
    core: int
    units: list[bytes]
    loop: str
    windows: list[Window] = field(default_factory=list)
    _workers: list[Worker] = field(default_factory=list)

    def start(self) -> None:
        """Start the three processes; they import for a while."""
        self._publishers = self._begin(partial(Publishers, self.units, self.rooms))
        self._subscribers = self._begin(Subscribers)
        self._relay = self._begin(MAKERS[self.mode])

    def _begin(self, make: Callable[[], Actor]) -> Worker:
        self._workers.append(Worker(self.core, self.loop, make))
        return self._workers[-1]

    def connect(self) -> None:
        """Connect all calls."""
        for room in range(self.rooms):
            (self._connect_through if self.mode == "echo" else self._connect)(room)

    def stop(self) -> None:
        """End the processes that were started."""
        for worker in self._workers:
            worker.stop()

    def measure(self, seconds: float) -> None:
        """Play, warm up, measure one window, and pause."""
        self._subscribers.ask("begin")
        self._publishers.ask("play")
        time.sleep(WARM_UP_S)
        core = CoreTimes(self.core)
        before: Reading = self._relay.ask("reading")
        rss = self._watch_rss(before.at, seconds)
        after: Reading = self._relay.ask("reading")
        busy = core.busy()
        sent, wanted = self._publishers.ask("pause")
        self._drain()
        told = self._relay.ask("told")
        if told.get("ended"):
            raise SystemExit(f"{self.mode}: expected calls that last, got ends: {', '.join(told['ended'])}")
        took, packets = self._subscribers.ask("took")
        inside = [[one for one in room if before.at <= one.mark.at < after.at] for room in sent]
        delays = [delay for room, marks in took for delay in delays_of(inside[room], marks)]
        self.windows.append(
            Window(
                cpu_s=after.cpu_s - before.cpu_s,
                wall_s=after.at - before.at,
                pictures=_within(before, after, [mark.at for _, marks in took for mark in marks]),
                packets=_within(before, after, packets),
                delays=delays,
                late_s=[one.late_s for room in inside for one in room],
                keyframes_wanted=wanted,
                core=busy,
                rss=rss,
                told=told,
            )
        )

    def _watch_rss(self, began: float, seconds: float) -> list[tuple[float, float]]:
        samples = []
        while (passed := time.monotonic() - began) < seconds:
            samples.append((passed, self._relay.rss_mib()))
            time.sleep(min(SAMPLE_S, seconds - passed))
        return samples

    def _drain(self) -> None:
        end = time.monotonic() + DRAIN_S
        share = 1.0
        while share > QUIET_SHARE and time.monotonic() < end:
            before: Reading = self._relay.ask("reading")
            time.sleep(QUIET_S)
            after: Reading = self._relay.ask("reading")
            share = (after.cpu_s - before.cpu_s) / (after.at - before.at)

    def _connect(self, room: int) -> None:
        answer = self._relay.ask("publish", room, self._publishers.ask("offer", room))
        self._publishers.ask("accept", room, answer)
        for _ in range(self.subscribers):
            answer = self._relay.ask("subscribe", room, self._subscribers.ask("offer", room))
            self._subscribers.ask("accept", answer)

    def _connect_through(self, room: int) -> None:
        offer = self._relay.ask("publish", room, self._publishers.ask("offer", room))
        answer = self._relay.ask("subscribe", room, self._subscribers.ask("answer", room, offer))
        self._publishers.ask("accept", room, answer)


def _within(before: Reading, after: Reading, moments: list[float]) -> int:
    return sum(before.at <= at < after.at for at in moments)


class CoreTimes:
    """How busy a core is from now on, after /proc/stat."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._before = self._read()

    def busy(self) -> float:
        """Share of the time since then that was not idle, 0..1."""
        idle, total = (now - before for now, before in zip(self._read(), self._before, strict=True))
        return 1.0 - idle / max(total, 1)

    def _read(self) -> tuple[int, int]:
        lines = Path("/proc/stat").read_text().splitlines()
        ticks = next(line.split()[1:9] for line in lines if line.startswith(f"cpu{self._core} "))
        return int(ticks[3]) + int(ticks[4]), sum(map(int, ticks))


def quietest_core() -> int:
    """The core that was idle most in a quarter of a second."""
    cores = {core: CoreTimes(core) for core in os.sched_getaffinity(0)}
    time.sleep(QUIET_S)
    return min(cores, key=lambda core: cores[core].busy())


def delays_of(sent: list[Sent], marks: list[Mark]) -> list[float]:
    """Seconds from ready to received of the pictures that came, whatever was added to their timestamps."""
    ready = {one.mark.timestamp: one.mark.at for one in sent}
    shift = _shift(sent, marks)
    received = {_rounded(mark.timestamp - shift): mark.at for mark in marks}
    return [at - ready[timestamp] for timestamp, at in received.items() if timestamp in ready]


def _rounded(timestamp: int) -> int:
    return (timestamp + TICKS // 2) // TICKS * TICKS & 0xFFFFFFFF


def _shift(sent: list[Sent], marks: list[Mark]) -> int:
    """What the relay added to timestamps: the difference on which most of the pairs that may be agree."""
    votes = Counter(
        (mark.timestamp - one.mark.timestamp) & 0xFFFFFFFF
        for mark in marks[-PAIRING_MARKS:]
        for one in sent
        if 0.0 <= mark.at - one.mark.at < PAIRING_S
    )
    return votes.most_common(1)[0][0] if votes else 0
