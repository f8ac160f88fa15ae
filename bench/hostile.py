"""Can anybody slow, stop or swell a call or the node by what they send?

    python bench/hostile.py [--share 1.0] [--json]

A node without faces and engines runs in a process of its own on one core; callers and attackers share the
other cores, attackers as ``nice`` as can be. Everything stays on 127.0.0.0/8, every loop is bounded, and
what is made by chance is seeded.

``connected``: of ``calls`` calls, while strangers send a ClientHello, an alert or garbage to the node's port
from before the caller has its answer until it is connected. ``closed``: calls closed by empty and oversize
datagrams, from a stranger and from the caller's own socket. ``rss_mib``: growth of the node's resident
memory by ``strange_datagrams`` from a stranger, sent as fast as the node reads: of them it read
``strange_read``, at ``strange_us`` of its CPU each; null where that is less than 0.95, since what the kernel
drops is not withstood.

Three other calls, in a process of their own, are watched meanwhile. ``neighbour_frames_kept``: the worst
share of its pictures that any of them keeps under any attack; ``neighbour_gap_ms_max``: the longest time in
which one got no packet, ``neighbour_gap_own_ms`` the longest under that attack in which a publisher of
theirs sent none, for want of a core. By attack: ``kept``, ``gap_ms``, and ``own_gap_ms``. ``quiet`` is
without any attack.

``floods``: one call is to be sent 10,000 packets a second for ten seconds, by a stranger, and by its own
caller as garbage and as valid SRTP. For each what was ``sent`` in how many ``seconds``, how many the node
``read`` (``node``: what it did with them), and the ``end`` of the call. ``fan_out``: the same for a
publisher whom 20 watch, at the 3,000 packets a second that are allowed, each a picture.
``bomb_packets_forwarded``: how many packets of keyframes that claim to be 16383x16383 (VP8) and 16000x8000
(H.264), packed so that it shows, and so that it does not, reached a subscriber; ``bomb_rss_mib`` what they
cost at most.

``ports_probed``: the most of 200 ports to which an offer, or an offer with trickled fragments, made the node
send. ``offers_5xx``: answers to ``offers_posted`` changed offers, and to bursts of 32 dear ones, that were
5xx, but for 503 with Retry-After. ``offer_errors_unexpected``: of ``offers_read`` changed offers, those that
ended in anything but an Offer, SignallingError or UnsupportedCodec. ``tracebacks``: in the node's log.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from bench.hostility.attackers import Flooder, Sent, Stranger, foreign_dtls, misshapen
from bench.hostility.bombs import NAMES, Bomber
from bench.hostility.callers import Crowd, Kept, Neighbours, Site, TimedClip, call, clip, flows
from bench.hostility.node import NodeUnderAttack, new_key
from bench.hostility.offers import BURSTS, SDP, Poster, client, faults, sound_offer, unexpected
from bench.hostility.watching import PORTS, Most, Ports, Sprayer
from bench.relaying.process import Actor, Worker
from guard.core.errors import GuardError
from guard.media.signalling import MAX_CANDIDATES

CALLS = 100
CALLS_AT_ONCE = 5
STRANGE_DATAGRAMS = 1_000_000
STRANGE_RATE = 40_000.0
READ_SHARE = 0.95
FLOOD_RATE = 10_000.0
FLOOD_S = 10.0
WATCHERS = 20
FAN_OUT_RATE = 3_000.0
QUIET_S = 3.0
PROBING_S = 3.0
OFFERS_POSTED = 5_000
OFFERS_READ = 100_000
BURST_ROUNDS = 3
NICENESS = 19
LOOP = "uvloop"
FRAGMENT = "application/trickle-ice-sdpfrag"


class Neighbourhood:
    """Three calls in a process of their own; ``found`` is what the worst of them kept, by attack."""

    def __init__(self, worker: Worker, addresses: list[tuple[str, int]], found: dict[str, Kept]) -> None:
        self.addresses = addresses
        self._worker = worker
        self._found = found

    async def keep(self, name: str, attack: Callable[[], Awaitable[Any]]) -> Any:
        """Attack, and note what they keep meanwhile; the worst where there are several of this name."""
        await _asked(self._worker, "begin")
        found = await attack()
        kept: Kept = await _asked(self._worker, "kept")
        self._found[name] = kept.or_worse(self._found.get(name))
        return found


async def _asked(worker: Worker, method: str, *arguments: object) -> Any:
    return await asyncio.to_thread(worker.ask, method, *arguments)


class Attack:
    """A node, its neighbours, and what is done to them; ``share`` of everything, for short runs."""

    def __init__(self, site: Site, node: Worker, cores: list[int], share: float) -> None:
        self.site = site
        self.kept: dict[str, Kept] = {}
        """What the neighbours kept, by attack."""
        self._node = node
        self._cores = cores
        self._share = share

    def _of(self, count: int) -> int:
        return max(1, round(self._share * count))

    async def _ask(self, method: str, *arguments: object) -> Any:
        return await asyncio.to_thread(self._node.ask, method, *arguments)

    @asynccontextmanager
    async def _worker(self, make: Callable[[], Actor], niceness: int = NICENESS) -> AsyncIterator[Worker]:
        worker = await asyncio.to_thread(Worker, self._cores[-1], LOOP, make, niceness=niceness)
        try:
            yield worker
        finally:
            await asyncio.to_thread(worker.stop)

    @asynccontextmanager
    async def _neighbours(self, name: str) -> AsyncIterator[Neighbourhood]:
        async with self._worker(partial(Neighbours, self.site), 0) as worker:
            addresses = await _asked(worker, "join", name)
            yield Neighbourhood(worker, addresses, self.kept)
            await _asked(worker, "leave")

    async def set_up(self) -> dict[str, Any]:
        """Strangers' DTLS while calls are set up."""
        kinds, free, connected = list(foreign_dtls().items()), asyncio.Semaphore(CALLS_AT_ONCE), []

        async def one(number: int) -> None:
            kind, datagram = kinds[number % len(kinds)]
            async with free:
                if await self._connects(f"setup{number}", datagram):
                    connected.append(kind)

        await asyncio.gather(*map(one, range(self._of(CALLS))))
        return {"connected": len(connected), "calls": self._of(CALLS)}

    async def _connects(self, room: str, datagram: bytes) -> bool:
        with Sprayer(datagram) as sprayer:
            publisher = self.site.publisher(room, TimedClip(clip()), sprayer)
            try:
                await publisher.start()
            except GuardError:
                return False
            await publisher.stop()
        return sprayer.sent > 0

    async def misshapen(self) -> dict[str, Any]:
        """Empty and oversize datagrams to an established call."""
        async with AsyncExitStack() as stack:
            calls = [await call(self.site, f"misshapen{number}", stack) for number in range(2)]
            own = calls[1].publisher._connection.peer._transports[0].transport._connection  # noqa: SLF001 -- an attacker's own call
            pair = next(iter(own._nominated.values()))  # noqa: SLF001 -- same
            descriptor = os.dup(pair.protocol.transport.get_extra_info("socket").fileno())
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
                socket.socket(fileno=descriptor) as authenticated,
            ):
                for datagram in misshapen():
                    stranger.sendto(datagram, calls[0].address)
                    authenticated.sendto(datagram, calls[1].address)
                    await asyncio.sleep(0)
            flowing = [await flows(one) for one in calls]
        return {"closed": flowing.count(False), "misshapen": 2 * len(misshapen())}

    async def strangers(self) -> dict[str, Any]:
        """A great many datagrams that nobody asked for, as fast as the node reads them."""
        count, most = self._of(STRANGE_DATAGRAMS), Most(self._node)
        async with self._worker(Stranger) as stranger, self._neighbours("strange") as neighbours:
            before, read, used = self._node.rss_mib(), await self._strange(), await self._cpu_s()
            async with most.watched():
                spray = partial(
                    stranger.ask, "spray", neighbours.addresses, count, STRANGE_RATE, patient=True
                )
                sent: Sent = await neighbours.keep("strange", partial(asyncio.to_thread, spray))
            read, used = await self._strange() - read, await self._cpu_s() - used
        enough = read >= READ_SHARE * count
        return {
            "rss_mib": round(most.rss_mib - before, 1) if enough else None,
            "strange_datagrams": count,
            "strange_read": read,
            "strange_per_s": round(sent.datagrams / sent.seconds),
            "strange_us": round(1e6 * used / max(1, read), 1),
        }

    async def _strange(self) -> int:
        refused = await self._ask("refused")
        return sum(n for why, n in refused.items() if why in {"datagram.stranger", "datagram.stun"})

    async def _cpu_s(self) -> float:
        return float((await self._ask("reading")).cpu_s)

    async def floods(self) -> dict[str, Any]:
        """One call is flooded; what do the others keep?"""
        found: dict[str, dict[str, Any]] = {}
        async with self._neighbours("flooded") as neighbours:
            await neighbours.keep("quiet", partial(asyncio.sleep, QUIET_S))
            async with self._worker(Stranger) as stranger, AsyncExitStack() as stack:
                target = await call(self.site, "stranger", stack)
                spray = partial(_asked, stranger, "spray", [target.address])
                found["stranger"] = await self._flood(neighbours, "stranger", spray, FLOOD_RATE)
            for kind in ("garbage", "valid"):
                async with self._worker(partial(Flooder, self.site, kind)) as flooder:
                    await _asked(flooder, "join")
                    flood = partial(_asked, flooder, "flood", kind)
                    found[kind] = await self._flood(neighbours, kind, flood, FLOOD_RATE)
                    await _asked(flooder, "leave")
        return {"floods": found}

    async def fan_out(self) -> dict[str, Any]:
        """A publisher whom twenty watch floods: each packet goes out twenty times."""
        async with (
            self._neighbours("fanned") as neighbours,
            self._worker(partial(Flooder, self.site, "fan_out")) as flooder,
            self._worker(partial(Crowd, self.site)) as crowd,
        ):
            await _asked(crowd, "join", "fan_out", await _asked(flooder, "join"), WATCHERS)
            crowd.halt()  # they cost the node what they cost, and nobody else anything
            flood = partial(_asked, flooder, "flood", "tiny")
            found = await self._flood(neighbours, "fan_out", flood, FAN_OUT_RATE)
            crowd.go_on()
            await _asked(flooder, "leave")
        return {"fan_out": found | {"watchers": WATCHERS}}

    async def _flood(
        self, neighbours: Neighbourhood, name: str, flood: Callable[..., Awaitable[Sent]], rate: float
    ) -> dict[str, Any]:
        """Flood the call in the room of this name; what was sent, what the node read of it, why it ended."""
        await self._ask("watch", name)
        before = await self._ask("took", name)
        sent = await neighbours.keep(name, partial(flood, self._of(round(rate * FLOOD_S)), rate))
        took = await self._ask("took", name)
        new = {why: n - before.get(why, 0) for why, n in took.items() if n > before.get(why, 0)}
        read = sum(n for why, n in new.items() if why == "taken" or why.startswith("datagram."))
        return {
            "sent": sent.datagrams,
            "seconds": round(sent.seconds, 2),
            "per_s": round(sent.datagrams / sent.seconds),
            "read": read,
            "node": new,
            "end": (await self._ask("left")).get(name),
        }

    async def bombs(self) -> dict[str, Any]:
        """Keyframes that claim to be enormous."""
        grown, forwarded, ends = 0.0, {}, {}
        async with (
            self._neighbours("bombed") as neighbours,
            self._worker(partial(Bomber, self.site)) as bomber,
        ):
            for name in NAMES:
                room = re.sub(r"\W+", "-", f"bomb {name}")
                before, most = self._node.rss_mib(), Most(self._node)
                async with most.watched():
                    bomb = partial(_asked, bomber, "bomb", name, room)
                    forwarded[name] = await neighbours.keep(f"bomb {name}", bomb)
                grown = max(grown, most.rss_mib - before)
                ends[name] = (await self._ask("left")).get(room)
        return {
            "bomb_rss_mib": round(grown, 1),
            "bomb_packets_forwarded": sum(forwarded.values()),
            "bomb_forwarded": forwarded,
            "bomb_ends": ends,
        }

    async def ports(self) -> dict[str, Any]:
        """Offers with 200 candidates, and with 16 that are followed by more."""
        text = re.sub(r"a=(candidate|end-of-candidates).*\r\n", "", sound_offer())
        probed = []
        for named in (PORTS, MAX_CANDIDATES, 0):
            with Ports() as ports:
                first = "".join(f"a={one}\r\n" for one in ports.candidates[:named])
                await self._offer(f"ports{named}", text + first, ports.candidates[named:])
                await asyncio.sleep(PROBING_S)
                probed.append(ports.probed())
        return {"ports_probed": max(probed), "ports": PORTS, "ports_by_case": probed}

    async def _offer(self, room: str, text: str, later: list[str]) -> None:
        async with client(self.site, room) as http:
            answer = await http.post(f"/whip/{room}", content=text, headers=SDP)
            if answer.status_code != httpx.codes.CREATED:
                return
            place, tag = answer.headers["Location"], answer.headers["ETag"]
            for at in range(0, len(later), 10):
                fragment = "a=mid:0\r\n" + "".join(f"a={one}\r\n" for one in later[at : at + 10])
                headers = {"Content-Type": FRAGMENT, "If-Match": tag}
                (await http.patch(place, content=fragment, headers=headers)).raise_for_status()

    async def offers(self) -> dict[str, Any]:
        """Changed offers, and dear ones many at once."""
        count, answers = self._of(OFFERS_POSTED), {}
        async with (
            self._neighbours("offers") as neighbours,
            self._worker(partial(Poster, self.site)) as poster,
        ):
            answers["offers"] = await neighbours.keep("offers", partial(_asked, poster, "post", count))
            for kind in BURSTS:
                for _ in range(BURST_ROUNDS):
                    burst = await neighbours.keep(f"burst {kind}", partial(_asked, poster, "burst", kind))
                    answers[f"burst {kind}"] = answers.get(f"burst {kind}", Counter()) + burst
        ends = await asyncio.to_thread(unexpected, self._of(OFFERS_READ))
        return {
            "offers_posted": count,
            "offers_5xx": sum(map(faults, answers.values())),
            "answers": answers,
            "offers_read": ends.total(),
            "offer_errors_unexpected": ends.total() - ends["taken"] - ends["refused"],
            "read": dict(ends),
        }


PHASES = ("set_up", "misshapen", "strangers", "floods", "fan_out", "bombs", "ports", "offers")


async def measure(share: float, phases: list[str], folder: Path, told: Callable[..., None]) -> dict[str, Any]:
    """Everything, phase after phase, against one node; SystemExit where one hangs."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:]) or {cores[0]})
    key = new_key()
    found: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    node = await asyncio.to_thread(Worker, cores[0], LOOP, partial(NodeUnderAttack, key, folder))
    phase = "start"
    try:
        attack = Attack(Site(await asyncio.to_thread(node.ask, "start"), key), node, cores, share)
        for phase in phases:
            begun = time.monotonic()
            one = await getattr(attack, phase)()
            found |= one
            seconds[phase] = round(time.monotonic() - begun, 1)
            told(phase, one)
        phase = "stop"
        await asyncio.to_thread(node.ask, "stop")
    except SystemExit as end:
        msg = f"{phase}: {end}"
        raise SystemExit(msg) from None
    finally:
        await asyncio.to_thread(node.stop)
    log = (folder / "log").read_text()
    found |= {"seconds": seconds, **neighbourly(attack.kept)}
    return found | {"tracebacks": log.count("Traceback"), "log_lines": log.count("\n")}


def neighbourly(kept: dict[str, Kept]) -> dict[str, Any]:
    """What the worst neighbour kept, and what each attack left them."""
    worst = max(kept, key=lambda name: kept[name].gap_ms, default=None)
    return {
        "neighbour_frames_kept": round(min((one.share for one in kept.values()), default=1.0), 3),
        "neighbour_gap_ms_max": round(kept[worst].gap_ms) if worst else None,
        "neighbour_gap_own_ms": round(kept[worst].own_gap_ms) if worst else None,
        "kept": {name: round(one.share, 3) for name, one in kept.items()},
        "gap_ms": {name: round(one.gap_ms) for name, one in kept.items()},
        "own_gap_ms": {name: round(one.own_gap_ms) for name, one in kept.items()},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0, help="how much of everything")
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--keep-log", type=Path, help="copy the node's log there")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    options = parser.parse_args()

    def told(phase: str, found: dict[str, Any]) -> None:
        if not options.json:
            print(json.dumps({phase: found}), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        try:
            found = asyncio.run(measure(options.share, options.phases.split(","), Path(folder), told))
        finally:
            if options.keep_log:
                options.keep_log.write_text((Path(folder) / "log").read_text())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
