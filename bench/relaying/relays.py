"""What stands in the middle: aiortc's own relay, ours, and a bare forwarder of datagrams."""

import asyncio
import re
import sys
import time
from functools import partial
from typing import Any, cast

import aioice.ice
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from bench.relaying.process import HERE, Actor
from guard.config import MediaSettings
from guard.core.types import VideoFrame
from guard.media.publication import Publication, Subscription

CANDIDATE = re.compile(r"(?<=127\.0\.0\.1 )\d+(?= typ host)")
PAUSES_S = 3600.0
SWITCH_INTERVAL_S = 0.001
"""As guard.cli.main has it, whose import would cost every process of the bench a second."""


class Relay(Actor):
    """What every relay is asked."""

    def told(self) -> dict[str, Any]:
        """What it says of its own work."""
        return {}


class StockRelay(Relay):
    """aiortc's MediaRelay between its peer connections; only the addresses are ours: loopback, no STUN."""

    def __init__(self) -> None:
        aioice.ice.get_host_addresses = lambda *_, **__: list(HERE.host_addresses)
        self._relay = MediaRelay()
        self._tracks: dict[int, MediaStreamTrack] = {}
        self._calls: list[RTCPeerConnection] = []

    async def publish(self, room: int, offer: str) -> str:
        """Answer a room's publisher."""
        call = self._call()
        call.on("track", partial(self._tracks.__setitem__, room))
        return await _answered(call, offer)

    async def subscribe(self, room: int, offer: str) -> str:
        """Answer a subscriber."""
        call = self._call()
        call.addTrack(self._relay.subscribe(self._tracks[room]))
        return await _answered(call, offer)

    def _call(self) -> RTCPeerConnection:
        self._calls.append(RTCPeerConnection(RTCConfiguration([])))
        return self._calls[-1]


async def _answered(call: RTCPeerConnection, offer: str) -> str:
    await call.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await call.setLocalDescription(await call.createAnswer())
    return str(call.localDescription.sdp)


class OurRelay(Relay):
    """The product's publications, with the analysis tap off, or decoding every picture beside the relay."""

    def __init__(self, relay: str, *, tap: bool) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_S)  # as the product's command does
        self._media = MediaSettings.model_validate({"relay": relay, "idle_timeout_s": PAUSES_S})
        self._on_frame = _seen if tap else None
        self._publications: dict[int, Publication] = {}
        self._subscriptions: list[Subscription] = []
        self._ends: list[str] = []

    async def publish(self, room: int, offer: str) -> str:
        """Answer a room's publisher."""
        ended = partial(self._ended, f"publisher of room {room}")
        publication = Publication(f"p_{room}", self._media, HERE, time.monotonic, self._on_frame, ended)
        self._publications[room] = publication
        return await publication.answer(offer)

    async def subscribe(self, room: int, offer: str) -> str:
        """Answer a subscriber."""
        ended = partial(self._ended, f"subscriber of room {room}")
        subscription, answer = await self._publications[room].subscribe(offer, ended)
        self._subscriptions.append(subscription)
        return answer

    def told(self) -> dict[str, Any]:
        """Calls that ended, pictures decoded, packets lost, units dropped: since the beginning, all rooms."""
        stats = [publication.stats() for publication in self._publications.values()]
        dropped: dict[str, int] = {}
        for name, count in (item for one in stats for item in one.dropped.items()):
            dropped[name] = dropped.get(name, 0) + count
        return {
            "ended": self._ends,
            "decoded": sum(one.decoded for one in stats),
            "lost_packets": sum(one.lost_packets for one in stats),
            "dropped": dropped,
        }

    def _ended(self, who: str, reason: str) -> None:
        self._ends.append(f"{who}: {reason}")


def _seen(frame: VideoFrame) -> None:
    """A decoded picture; nobody judges it here."""


class Door(asyncio.DatagramProtocol):
    """One socket of the bare forwarder: what comes here leaves by the other one."""

    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self.other: Door | None = None
        self.far: tuple[str, int] | None = None
        """Who is behind this door."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the socket."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Forward one datagram; there is nothing else that it does."""
        del addr
        other = self.other
        if other is not None and other.transport is not None:
            other.transport.sendto(data, other.far)

    @property
    def port(self) -> int:
        """Where this door is."""
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])


class EchoRelay(Relay):
    """Datagrams from one socket to the other, two sockets a room, as one call with one subscriber has.

    Publisher and subscriber call each other through it: each is told the near door's port as the other's, so
    that the very packets of a relayed call pass here, unread.
    """

    def __init__(self) -> None:
        self._rooms: dict[int, tuple[Door, Door]] = {}

    async def publish(self, room: int, offer: str) -> str:
        """The publisher's offer as the subscriber is to see it."""
        loop = asyncio.get_running_loop()
        near, far = Door(), Door()
        for door, other in ((near, far), (far, near)):
            door.other = other
            await loop.create_datagram_endpoint(lambda door=door: door, local_addr=("127.0.0.1", 0))  # type: ignore[misc]  # bound early
        self._rooms[room] = near, far
        return _through(offer, near, far)

    async def subscribe(self, room: int, answer: str) -> str:
        """The subscriber's answer as the publisher is to see it."""
        near, far = self._rooms[room]
        return _through(answer, far, near)


def _through(sdp: str, near: Door, far: Door) -> str:
    """Note who is behind the near door, and tell the far one in its place."""
    found = CANDIDATE.search(sdp)
    assert found is not None, sdp
    near.far = "127.0.0.1", int(found.group())
    return CANDIDATE.sub(str(far.port), sdp)
