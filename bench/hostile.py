"""Can anybody slow, stop or swell a call or the node by what they send?

    python bench/hostile.py [--share 1.0] [--json]

A node without faces and engines runs in a process of its own on one core; callers and attackers share the
other cores. Everything stays on 127.0.0.0/8, every loop is bounded, and what is made by chance is seeded.

``connected``: of ``calls`` calls, while strangers send a ClientHello, an alert or garbage to the node's port
from before the caller has its answer until it is connected. ``closed``: calls closed by empty and oversize
datagrams, from a stranger and from the caller's own socket. ``rss_mib``: growth of the node's resident memory
by ``strange_datagrams`` from a stranger, of which it read ``strange_read`` at ``strange_us`` of its CPU each.
``neighbour_frames_kept``: the worst share of its pictures that any of three other calls keeps while one is
sent 10,000 packets a second for ten seconds, by a stranger, and by its own caller as garbage and as valid
SRTP; and during the frame bombs. ``bomb_rss_mib``: what keyframes that claim to be 16383x16383 (VP8) and
16000x8000 (H.264) cost at most. ``ports_probed``: the most of 200 ports to which an offer, or an offer with
trickled fragments, made the node send. ``offers_5xx``: answers to ``offers_posted`` changed offers that were
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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from bench.hostility.attackers import Flooder, Stranger, foreign_dtls, misshapen
from bench.hostility.callers import NEIGHBOURS, SETTLE_S, Call, Site, call, clip, flows, kept, of_size
from bench.hostility.node import NodeUnderAttack, new_key, token
from bench.hostility.offers import SDP, faults, posted, sound_offers, unexpected
from bench.hostility.watching import PORTS, Most, Ports, Sprayer
from bench.relaying.process import Worker
from guard.core.errors import GuardError
from guard.media.assembler import Codec
from guard.media.signalling import MAX_CANDIDATES

CALLS = 100
CALLS_AT_ONCE = 5
STRANGE_DATAGRAMS = 1_000_000
STRANGE_RATE = 40_000.0
FLOOD_RATE = 10_000.0
FLOOD_S = 10.0
PROBING_S = 3.0
OFFERS_POSTED = 5_000
OFFERS_READ = 100_000
BOMBS = {Codec.VP8: (16_383, 16_383), Codec.H264: (16_000, 8_000)}
PATIENCE_S = 10.0
LOOP = "uvloop"
FRAGMENT = "application/trickle-ice-sdpfrag"


class Attack:
    """A node, its neighbours, and what is done to them; ``share`` of everything, for short runs."""

    def __init__(self, site: Site, node: Worker, cores: list[int], share: float) -> None:
        self.site = site
        self._node = node
        self._cores = cores
        self._share = share

    def _of(self, count: int) -> int:
        return max(1, round(self._share * count))

    async def _ask(self, method: str, *arguments: object) -> Any:
        return await asyncio.to_thread(self._node.ask, method, *arguments)

    @asynccontextmanager
    async def _worker(self, make: Callable[[], Any]) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
        worker = await asyncio.to_thread(Worker, self._cores[-1], LOOP, make)
        try:
            yield partial(asyncio.to_thread, worker.ask)  # type: ignore[call-arg]  # they come with the call
        finally:
            await asyncio.to_thread(worker.stop)

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
            publisher = self.site.publisher(room, clip(), sprayer)
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
        """A great many datagrams that nobody asked for."""
        count = self._of(STRANGE_DATAGRAMS)
        async with self._worker(Stranger) as stranger, self._neighbours("strange") as calls:
            before, read, used = self._node.rss_mib(), await self._read(), await self._cpu_s()
            most = Most(self._node)
            addresses = [one.address for one in calls]
            async with most.watched():
                await stranger("spray", addresses, count, STRANGE_RATE)
            read, used = await self._read() - read, await self._cpu_s() - used
        return {
            "rss_mib": round(most.rss_mib - before, 1),
            "strange_datagrams": count,
            "strange_read": read,
            "strange_us": round(1e6 * used / max(1, read), 1),
        }

    async def _read(self) -> int:
        refused = await self._ask("refused")
        return sum(n for why, n in refused.items() if why in {"datagram.stranger", "datagram.stun"})

    async def _cpu_s(self) -> float:
        return float((await self._ask("reading")).cpu_s)

    async def floods(self) -> dict[str, Any]:
        """One call is flooded; what do the others keep?"""
        shares: dict[str, float] = {}
        ends: dict[str, str | None] = {}
        count = self._of(round(FLOOD_RATE * FLOOD_S))
        async with self._neighbours("flooded") as calls, self._worker(Stranger) as stranger:
            async with AsyncExitStack() as stack:
                target = await call(self.site, "flood-stranger", stack)
                spray = partial(stranger, "spray", [target.address], count, FLOOD_RATE)
                shares["stranger"] = await kept(calls, spray)
            for kind in ("garbage", "valid"):
                async with self._worker(partial(Flooder, self.site)) as flooder:
                    await flooder("join", f"flood-{kind}")
                    shares[kind] = await kept(calls, partial(flooder, "flood", kind, count, FLOOD_RATE))
                    ends[kind] = (await self._ask("left")).get(f"flood-{kind}")
                    await flooder("leave")
        return {"kept": shares, "flood_ends": ends, "flood_packets": 3 * count}

    async def bombs(self) -> dict[str, Any]:
        """Keyframes that claim to be enormous."""
        shares, grown, ends = {}, 0.0, {}
        async with self._neighbours("bombed") as calls:
            for codec, size in BOMBS.items():
                room, units = f"bomb-{codec}", clip(codec)
                bombs = [of_size(one, *size) if one.keyframe else one for one in units]
                before, most = self._node.rss_mib(), Most(self._node)
                async with most.watched():
                    shares[f"bomb {codec}"] = await kept(calls, partial(self._bomb, room, units, bombs))
                grown = max(grown, most.rss_mib - before)
                ends[codec.value] = (await self._ask("left")).get(room)
        return {"kept": shares, "bomb_rss_mib": round(grown, 1), "bomb_ends": ends}

    async def _bomb(self, room: str, units: list[Any], bombs: list[Any]) -> None:
        publisher = self.site.publisher(room, units[:30] + bombs)
        await publisher.start()
        with suppress(TimeoutError):
            await asyncio.wait_for(publisher.gone.wait(), PATIENCE_S)
        await publisher.stop()

    async def ports(self) -> dict[str, Any]:
        """Offers with 200 candidates, and with 16 that are followed by more."""
        text = re.sub(r"a=(candidate|end-of-candidates).*\r\n", "", (await sound_offers())[0])
        probed = []
        for named in (PORTS, MAX_CANDIDATES, 0):
            with Ports() as ports:
                first = "".join(f"a={one}\r\n" for one in ports.candidates[:named])
                await self._offer(f"ports{named}", text + first, ports.candidates[named:])
                await asyncio.sleep(PROBING_S)
                probed.append(ports.probed())
        return {"ports_probed": max(probed), "ports": PORTS, "ports_by_case": probed}

    async def _offer(self, room: str, text: str, later: list[str]) -> None:
        bearer = {"Authorization": f"Bearer {token(self.site.key, room, room)}"}
        async with httpx.AsyncClient(base_url=self.site.url, headers=bearer, trust_env=False) as client:
            answer = await client.post(f"/whip/{room}", content=text, headers=SDP)
            if answer.status_code != httpx.codes.CREATED:
                return
            place, tag = answer.headers["Location"], answer.headers["ETag"]
            for at in range(0, len(later), 10):
                fragment = "a=mid:0\r\n" + "".join(f"a={one}\r\n" for one in later[at : at + 10])
                headers = {"Content-Type": FRAGMENT, "If-Match": tag}
                (await client.patch(place, content=fragment, headers=headers)).raise_for_status()

    async def offers(self) -> dict[str, Any]:
        """Changed offers."""
        sound, count = await sound_offers(), self._of(OFFERS_POSTED)
        answers = await posted(self.site, sound, count)
        ends = await asyncio.to_thread(unexpected, sound, self._of(OFFERS_READ))
        return {
            "offers_posted": count,
            "offers_5xx": faults(answers),
            "answers": dict(answers),
            "offers_read": ends.total(),
            "offer_errors_unexpected": ends.total() - ends["taken"] - ends["refused"],
            "read": dict(ends),
        }

    @asynccontextmanager
    async def _neighbours(self, name: str) -> AsyncIterator[list[Call]]:
        async with AsyncExitStack() as stack:
            calls = [await call(self.site, f"{name}{number}", stack) for number in range(NEIGHBOURS)]
            await asyncio.sleep(SETTLE_S)
            yield calls


PHASES = ("set_up", "misshapen", "strangers", "floods", "bombs", "ports", "offers")


async def measure(share: float, phases: list[str], folder: Path, told: Callable[..., None]) -> dict[str, Any]:
    """Everything, phase after phase, against one node."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:]) or {cores[0]})
    key = new_key()
    found: dict[str, Any] = {}
    shares: dict[str, float] = {}
    seconds: dict[str, float] = {}
    node = await asyncio.to_thread(Worker, cores[0], LOOP, partial(NodeUnderAttack, key, folder))
    try:
        attack = Attack(Site(await asyncio.to_thread(node.ask, "start"), key), node, cores, share)
        for phase in phases:
            begun = time.monotonic()
            one = await getattr(attack, phase)()
            shares |= one.pop("kept", {})
            found |= one
            seconds[phase] = round(time.monotonic() - begun, 1)
            told(phase, one)
        await asyncio.to_thread(node.ask, "stop")
    finally:
        await asyncio.to_thread(node.stop)
    log = (folder / "log").read_text()
    found |= {"seconds": seconds, "kept": {name: round(one, 3) for name, one in shares.items()}}
    found |= {"neighbour_frames_kept": round(min(shares.values(), default=1.0), 3)}
    return found | {"tracebacks": log.count("Traceback"), "log_lines": log.count("\n")}


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
        found = asyncio.run(measure(options.share, options.phases.split(","), Path(folder), told))
        if options.keep_log:
            options.keep_log.write_text((Path(folder) / "log").read_text())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
