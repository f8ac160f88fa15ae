"""A publisher's packets on their way to a subscriber who asks again for some; scripts as in ``assembly``."""

from collections import Counter
from typing import TYPE_CHECKING, cast

from guard.core.units import Seconds
from guard.media.assembler import REPAIR_PACKETS, Codec, Packet
from guard.media.relays.packets import Strand
from guard.media.rtp.history import History
from guard.media.rtp.packet import HeaderWriter, send_time
from tests.fuzz.assembly import PAYLOADS, VIDEO, inbound_track, packets
from tests.fuzz.loop import Target
from tests.support.media import ManualClock

if TYPE_CHECKING:
    from guard.media.rtp.outbound import OutboundTrack


class Sent:
    """Stands in for the track to the subscriber; remembers what went under which number."""

    def __init__(self) -> None:
        self.packets: dict[int, bytes] = {}
        self._header = HeaderWriter(VIDEO, 1, 2)

    def write(
        self, sequence_number: int, timestamp: int, payload: bytes, now: Seconds, *, marker: bool
    ) -> bool:
        """Take a packet."""
        packet = self._header(sequence_number, timestamp, send_time(now), marker=marker) + payload
        # The number is a part of SRTP's nonce (RFC 7714 section 8.1): one for two packets gives the key away.
        assert self.packets.setdefault(sequence_number, packet) == packet, "one number, two packets"
        return True

    def write_again(
        self,
        sequence_number: int,
        timestamp: int,
        payload: bytes,
        *,
        first_sent_at: Seconds,
        now: Seconds,
        marker: bool,
    ) -> bool:
        """Take a packet that was asked for, by a peer that takes no retransmissions."""
        assert first_sent_at <= now
        return self.write(sequence_number, timestamp, payload, first_sent_at, marker=marker)


def check_relay(script: bytes) -> None:
    """A number stands for one packet, whatever the publisher sends and whatever is asked for again."""
    clock, history, sent = ManualClock(0.0), History(), Sent()
    strand = Strand(history, Codec.VP8, clock, Counter())
    strand.open(cast("OutboundTrack", sent))

    def forward(packet: Packet) -> None:
        if packet.restarts:
            history.clear()
        if history.put(packet):
            strand.forward(packet)

    track = inbound_track(forward, clock)
    for packet, asks, _, now in packets(script, PAYLOADS):
        clock.now = now
        track.take(packet._replace(send_time=None))
        if asks:
            newest = next(reversed(sent.packets), packet.sequence_number)
            strand.resend([newest, newest - 1, packet.sequence_number, packet.timestamp & 0xFFFF])
    assert len(history._packets) == REPAIR_PACKETS >= len(history._ages)


RELAY = Target("relay", check_relay, 10)
