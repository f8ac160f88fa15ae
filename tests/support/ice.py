"""A publication that answers, an offer of nobody, and what an SDP tells of addresses."""

import re
import time

from guard.config import IceSettings, MediaSettings
from guard.media.assembler import Codec
from guard.media.publication import Publication
from tests.support.media import LOOPBACK, LoopbackPublisher


def publication(ice: IceSettings = LOOPBACK) -> Publication:
    """One without subscribers or a decoder of its own."""
    return Publication("p1", MediaSettings(), ice, time.monotonic, lambda _: None, lambda _: None)


async def an_offer() -> str:
    """A publisher's offer; nobody is there to connect to."""
    publisher = LoopbackPublisher(Codec.VP8)
    text = await publisher.peer.offer()
    await publisher.peer.close()
    return text


def addresses_told(sdp: str) -> list[tuple[str, int]]:
    """Where an SDP says to send to."""
    found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp)
    return [(address, int(port)) for address, port in found]
