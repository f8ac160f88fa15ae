"""How much a publisher's way to us carries, by when its packets left and came."""

from aiortc.rate import BandwidthUsage, RemoteBitrateEstimator

from guard.core.units import Seconds
from guard.media.rtp.packet import Rtp

GROUP: Seconds = 0.03
"""Pictures that come within are one measure.

With one in 0.1 s the estimator took overuse long past for overuse still: in the closed loop of
tests/media/rtp/test_uplink.py a publisher who obeyed never had its bitrate back.
"""

OVERUSE_LIFE: Seconds = 30.0
"""So long after its queue last grew a way counts as free again."""

PAUSE: Seconds = 2.0
"""After so long a silence nothing is known of the way any more."""


class Uplink:
    """Google's receive-side estimate (draft-ietf-rmcat-gcc-02), taken once a picture.

    Packets leave in bursts of a picture; one measure of it tells of a queue as well as one a packet.
    """

    def __init__(self) -> None:
        self.bitrate: int | None = None
        """bit/s; None while there is no sign that the way carries less than is sent."""
        self._estimator = RemoteBitrateEstimator()
        self._timestamp: int | None = None
        self._sent_at = 0
        self._arrived_at: Seconds = 0.0
        self._began_at: Seconds = 0.0
        self._overused_at: Seconds | None = None
        self._bytes = 0

    def add(self, packet: Rtp, sent_at: int, now: Seconds) -> bool:
        """Take a packet with its abs-send-time; return whether the estimate changed."""
        changed = False
        if now - self._arrived_at > PAUSE:
            # aiortc's estimator counts a pause millisecond by millisecond.
            self._estimator, self._timestamp, self._began_at = RemoteBitrateEstimator(), None, now
            self.bitrate = self._overused_at = None
        if packet.timestamp != self._timestamp and now - self._began_at >= GROUP:
            changed = self._timestamp is not None and self._estimated(packet.ssrc)
            self._bytes, self._began_at = 0, now
        self._timestamp = packet.timestamp
        self._sent_at, self._arrived_at = sent_at, now
        self._bytes += len(packet.payload)
        return changed

    def _estimated(self, ssrc: int) -> bool:
        estimate = self._estimator.add(
            abs_send_time=self._sent_at,
            arrival_time_ms=int(self._arrived_at * 1000),
            payload_size=self._bytes,
            ssrc=ssrc,
        )
        now = self._arrived_at
        if self._estimator.detector.state() is BandwidthUsage.OVERUSING:
            self._overused_at = now
        # What is sent on a free way, a still screen perhaps, says nothing of how much it would carry.
        if self._overused_at is None or now - self._overused_at > OVERUSE_LIFE:
            self.bitrate = None
            return False
        if estimate is None:
            return False
        self.bitrate = estimate[0]
        return True
