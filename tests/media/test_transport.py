import asyncio
import socket
import struct
import time
from types import ModuleType

import pytest
from aioice import ice
from aioice.ice import Connection, StunProtocol
from aiortc.rtcdtlstransport import RTCDtlsTransport

from guard.config import MediaSettings
from guard.core.errors import EnvironmentProblem
from guard.media.assembler import Codec
from guard.media.publication import Publication
from guard.media.transport import check_adapter
from tests.support.media import LOOPBACK, LoopbackPublisher, encoded_units, eventually

pytestmark = [pytest.mark.media, pytest.mark.peers]


def test_the_installed_aiortc_has_every_name_that_is_used():
    check_adapter()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (StunProtocol, "send_stun"),
        (Connection, "_add_remote_candidate"),
        (RTCDtlsTransport, "_register_rtp_receiver"),
        (ice, "relayed_candidate"),
    ],
)
def test_a_name_that_is_gone_is_named(owner: type | ModuleType, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(owner, name)
    with pytest.raises(
        EnvironmentProblem, match=rf"aiortc 1\.\d+.*expected {owner.__name__}\.{name}, got none"
    ):
        check_adapter()


def sockets_of(publication: Publication) -> list[tuple[str, int]]:
    """Where the publication's ICE agent listens."""
    (dtls,) = publication._call.peer._transports
    return [
        protocol.transport.get_extra_info("sockname") for protocol in dtls.transport._connection._protocols
    ]


HOSTILE = {
    "empty": b"",
    "oversize RTP": b"\x80" + bytes(3000),
    "RTP": b"\x80\x60" + bytes(200),
    "DTLS alert": b"\x15\xfe\xfd" + bytes(11),
    "DTLS hello": b"\x16\xfe\xfd" + bytes(60),
    "torn STUN": struct.pack("!HHI12s", 1, 8, 0x2112A442, bytes(12)) + b"\x00\x20\x00\x08",
    "no STUN": b"\x00garbage",
    "STUN without credentials": struct.pack("!HHI12s", 1, 0, 0x2112A442, bytes(12)),
}


async def test_hostile_datagrams_neither_end_a_call_nor_are_queued():
    frames: list[object] = []
    closed: list[str] = []
    publication = Publication("p1", MediaSettings(), LOOPBACK, time.monotonic, frames.append, closed.append)
    publisher = LoopbackPublisher(Codec.VP8)
    await publisher.join(publication)
    units = encoded_units(Codec.VP8, 2)
    publisher.video.put(units[0])
    await eventually(lambda: len(frames) == 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(0)
        for address in sockets_of(publication):
            for datagram in HOSTILE.values():
                stranger.sendto(datagram, address)
    await eventually(lambda: publication._call.peer.dropped.total() >= 5)
    publisher.video.put(units[1])
    await eventually(lambda: len(frames) == 2)
    stats = publication.stats()
    await publication.close()
    await publisher.peer.close()
    assert stats.dropped["datagram.size"] == 2
    assert stats.dropped["datagram.stranger"] == 3
    assert sum(n for place, n in stats.dropped.items() if place.startswith("fault.")) <= 1
    assert closed == ["left"]


async def test_strangers_during_set_up_do_not_stop_the_call():
    closed: list[str] = []
    publication = Publication("p1", MediaSettings(), LOOPBACK, time.monotonic, lambda _: None, closed.append)
    publisher = LoopbackPublisher(Codec.VP8)
    answer = await publication.answer(await publisher.peer.offer())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(0)
        for address in sockets_of(publication):
            for datagram in list(HOSTILE.values()) * 20:
                stranger.sendto(datagram, address)
    await eventually(lambda: publication._call.peer.dropped["stranger"] == 60)
    (dtls,) = publication._call.peer._transports
    assert dtls.transport._connection._queue.qsize() == 0
    await publisher.peer.accept(answer)
    await eventually(lambda: "connected" in publisher.states)
    await asyncio.gather(publication.close(), publisher.peer.close())
    assert closed == ["left"]
