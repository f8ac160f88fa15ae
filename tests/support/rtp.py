"""A connected transport without a network, as the two halves of our RTP see aiortc's."""

from types import SimpleNamespace
from typing import Any

from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
)
from aiortc.rtp import AnyRtcpPacket, RtcpPacket, is_rtcp

from guard.media.rtp.outbound import SEND_TIME_URI

OWN_SSRC = 1111
RESEND_SSRC = 2222
SEND_TIME_ID = 3
VP8_TYPE, VP8_RESENT_TYPE, OPUS_TYPE = 96, 97, 111

VP8 = RTCRtpCodecParameters("video/VP8", 90_000, payloadType=VP8_TYPE)
VP8_RESENT = RTCRtpCodecParameters(
    "video/rtx", 90_000, payloadType=VP8_RESENT_TYPE, parameters={"apt": VP8_TYPE}
)
OPUS = RTCRtpCodecParameters("audio/opus", 48_000, channels=2, payloadType=OPUS_TYPE)
STAMPED = RTCRtpHeaderExtensionParameters(id=SEND_TIME_ID, uri=SEND_TIME_URI)
NAMED = RTCRtcpParameters(cname="a name")


class Socket:
    """A datagram socket that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.closing = False
        self.buffered = 0

    def sendto(self, datagram: bytes, address: tuple[str, int]) -> None:
        self.sent.append((datagram, address))

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.buffered

    @property
    def rtp(self) -> list[bytes]:
        """Every RTP packet sent."""
        return [datagram for datagram, _ in self.sent if not is_rtcp(datagram)]

    @property
    def rtcp(self) -> list[list[AnyRtcpPacket]]:
        """Every compound sent."""
        return [RtcpPacket.parse(datagram) for datagram, _ in self.sent if is_rtcp(datagram)]


class OpenSession:
    """An SRTP session that leaves packets as they are, or raises what it is told to."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    def protect(self, packet: bytes) -> bytes:
        if self.failure is not None:
            raise self.failure
        return packet

    protect_rtcp = protect


def pair(socket: object, port: int = 4000) -> Any:
    """A pair of candidates that ICE selected."""
    return SimpleNamespace(protocol=SimpleNamespace(transport=socket), remote_addr=("127.0.0.1", port))


class ConnectedTransport:
    """Stands in for RTCDtlsTransport behind its handshake."""

    def __init__(self) -> None:
        self.socket = Socket()
        self.nominated: dict[int, Any] = {1: pair(self.socket)}
        self.registered: list[object] = []
        self.transport = SimpleNamespace(_connection=SimpleNamespace(_nominated=self.nominated))
        self._tx_srtp: Any = OpenSession()

    def _register(self, track: object, _parameters: object) -> None:
        self.registered.append(track)

    def _unregister(self, track: object) -> None:
        self.registered.remove(track)

    _register_rtp_sender = _register_rtp_receiver = _register
    _unregister_rtp_sender = _unregister_rtp_receiver = _unregister


class Transceiver:
    """Stands in for RTCRtpTransceiver."""

    def __init__(self) -> None:
        self.dtls = ConnectedTransport()
        self.sender = SimpleNamespace(_ssrc=OWN_SSRC, _rtx_ssrc=RESEND_SSRC, transport=self.dtls)
        self.receiver = SimpleNamespace(transport=self.dtls)
