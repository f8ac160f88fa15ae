"""The one door to aiortc and aioice: peers that hand out RTP payloads and send encoded units."""
# ruff: noqa: SLF001 -- this adapter is the one place that uses aiortc's private names, see ADAPTED

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from importlib.metadata import version
from typing import Any, Protocol

from aioice import Candidate, stun
from aioice.ice import CandidatePair, Connection, StunProtocol
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceGatherer, RTCIceTransport
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtp import RtpPacket
from aiortc.sdp import candidate_from_sdp

from guard.config import IceSettings
from guard.core.errors import EnvironmentProblem, SignallingError
from guard.core.units import Clock, Seconds
from guard.media.assembler import AccessUnit, Kind, Packet
from guard.media.frames import MediaPacket, packet_of
from guard.media.gates import LAST_STUN_BYTE, DatagramGate
from guard.media.inbound import InboundTrack
from guard.media.signalling import MAX_CANDIDATES, PARSER_FAULTS, Format, Fragment, Offer

ADAPTED: dict[type, tuple[str, ...]] = {
    RTCPeerConnection: ("_RTCPeerConnection__connect",),
    RTCRtpReceiver: ("receive", "stop"),
    RTCRtpSender: ("_send_keyframe",),
    RTCDtlsTransport: ("_recv_next", "_send_rtp", "_register_rtp_receiver", "_unregister_rtp_receiver"),
    StunProtocol: ("datagram_received", "send_stun"),
    Connection: ("get_component_candidates", "data_received"),
    CandidatePair: ("remote_addr", "State"),
}
"""Private names of aiortc and aioice that are used or replaced here, by class."""

HANDLER_FAULTS = (*PARSER_FAULTS, MemoryError)
"""What a handler may raise on a hostile packet; counted, never the end of a call."""

REFUSALS = (*PARSER_FAULTS, InvalidAccessError, InternalError, InvalidStateError, OperationError)
MAX_SSRCS = 8
MAX_FAULTS = 1000
"""A call whose packets made handlers fail so often is ended."""

SETTLE_TIMEOUT: Seconds = 2.0


class UnitSource(Protocol):
    """Where a sending track takes its units from."""

    async def next(self) -> AccessUnit | None:
        """Wait for the next unit; None ends the track."""


def check_adapter() -> None:
    """Raise EnvironmentProblem unless the installed aiortc and aioice have the private names used here."""
    for owner, names in ADAPTED.items():
        for name in names:
            _require(owner, name)
    gatherer = RTCIceGatherer(iceServers=[])
    ice = RTCIceTransport(gatherer)
    dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    for thing, name in ((dtls, "_rtp_router"), (dtls, "_task"), (ice, "_connection")):
        _require(thing, name)
    for name in ("_queue", "_protocols", "_check_list", "_closing"):
        _require(ice._connection, name)
    for name in ("route_rtp", "ssrc_table"):
        _require(dtls._rtp_router, name)


def _require(owner: object, name: str) -> None:
    if not hasattr(owner, name):
        kind = owner if isinstance(owner, type) else type(owner)
        msg = (
            f"aiortc {version('aiortc')} with aioice {version('aioice')}: expected {kind.__name__}.{name}, "
            f"got none; install the version this was written for: pip install 'aiortc>=1.16,<1.17'"
        )
        raise EnvironmentProblem(msg)


def _replace(owner: object, name: str, ours: Callable[..., Any]) -> None:
    """Put ours in the place of a method, on this one object only."""
    _require(owner, name)
    setattr(owner, name, ours)


class OutboundTrack(MediaStreamTrack):
    """A track of encoded units: aiortc's sender splits them into RTP and encodes nothing."""

    def __init__(self, kind: Kind, source: UnitSource) -> None:
        super().__init__()
        self.kind = kind
        self._source = source

    async def recv(self) -> MediaPacket:
        """The next unit as a packet."""
        unit = await self._source.next()
        if unit is None:
            self.stop()
            raise MediaStreamError
        return packet_of(unit)


class Peer:
    """One WebRTC peer. ``on_state`` hears ``connected``, ``failed`` and ``closed``, on the event loop.

    ``dropped`` counts datagrams refused, ``faults`` what handlers raised.
    """

    def __init__(
        self, ice: IceSettings, clock: Clock, on_state: Callable[[str], None], *, offers: bool = False
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        bundle = RTCBundlePolicy.MAX_BUNDLE if offers else RTCBundlePolicy.BALANCED
        # An empty list of servers: with none given aiortc would ask a public STUN server.
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=bundle))
        self._ice = ice
        self._clock = clock
        self._transports: list[RTCDtlsTransport] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._candidates = 0
        connect = self._pc._RTCPeerConnection__connect  # type: ignore[attr-defined]  # mangled by Python
        _replace(self._pc, "_RTCPeerConnection__connect", lambda: self._guarded(connect()))
        self._pc.on("connectionstatechange", lambda: on_state(self._pc.connectionState))

    def receive(
        self, kind: Kind, formats: tuple[Format, ...], on_packet: Callable[[Packet], None]
    ) -> InboundTrack:
        """Take one track in one of these formats; packets are handed over on the event loop."""
        transceiver = self._pc.addTransceiver(kind, "recvonly")
        transceiver.setCodecPreferences(_capabilities(kind, formats))
        track = InboundTrack(kind, transceiver, on_packet, self._clock)
        _replace(transceiver.receiver, "receive", track.receive)
        _replace(transceiver.receiver, "stop", track.stop)
        return track

    def send(self, format_: Format, source: UnitSource, on_keyframe_wanted: Callable[[], None]) -> None:
        """Send the units of ``source`` to the peer; PLI and FIR of the peer are handed over."""
        track = OutboundTrack(format_.codec.kind, source)
        transceiver = self._pc.addTransceiver(track, "sendonly")
        transceiver.setCodecPreferences(_capabilities(track.kind, (format_,)))
        _replace(transceiver.sender, "_send_keyframe", on_keyframe_wanted)

    def decline(self, kind: Kind) -> None:
        """Answer a media section of this kind with inactive."""
        self._pc.addTransceiver(kind, "inactive")

    async def answer(self, offer: Offer) -> str:
        """Take the peer's offer and return our answer; raise SignallingError where aiortc refuses it."""
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
            self._harden()
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except REFUSALS as refusal:
            msg = (
                f"SDP offer: expected one that can be answered, got {type(refusal).__name__} from it; "
                f"post what createOffer() gives, unchanged"
            )
            raise SignallingError(msg) from None
        return str(self._pc.localDescription.sdp)

    async def offer(self) -> str:
        """Our offer with all its candidates."""
        self._harden()
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return str(self._pc.localDescription.sdp)

    async def accept(self, answer_sdp: str) -> None:
        """Take the answer to our offer; raise SignallingError where aiortc refuses it."""
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(answer_sdp, "answer"))
        except REFUSALS as refusal:
            msg = f"SDP answer: expected one that fits our offer, got {type(refusal).__name__} from it"
            raise SignallingError(msg) from None

    async def add_candidates(self, fragment: Fragment) -> None:
        """Take trickled candidates; those beyond the limit of a call are dropped and counted."""
        for mid, value in fragment.candidates:
            self._candidates += 1
            if self._candidates > MAX_CANDIDATES:
                self.dropped["candidate"] += 1
                continue
            candidate = candidate_from_sdp(value)
            candidate.sdpMid = mid
            await self._pc.addIceCandidate(candidate)
        if fragment.ended:
            await self._pc.addIceCandidate(None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that ends with the peer at the latest."""
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the call and wait until all of it has ended; calling it twice is harmless."""
        if self._closing is None:
            # Once, and in a task: aiortc's close would never return again after an error or a cancellation.
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        tasks = {dtls._task for dtls in self._transports if dtls._task is not None}
        try:
            await self._pc.close()
        finally:
            tasks |= self._tasks
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=SETTLE_TIMEOUT)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    async def _guarded(self, work: Awaitable[None]) -> None:
        current = asyncio.current_task()
        if current is not None:
            self._tasks.add(current)
            current.add_done_callback(self._tasks.discard)
        try:
            await work
        except HANDLER_FAULTS as fault:
            self.faults[type(fault).__name__] += 1

    def _harden(self) -> None:
        """Put the gates between the network and aiortc, once its transports are settled."""
        for transceiver in self._pc.getTransceivers():
            dtls = transceiver.receiver.transport
            if dtls not in self._transports:
                self._transports.append(dtls)
                self._gate_ice(dtls.transport._connection)
                self._gate_dtls(dtls)

    def _gate_ice(self, connection: Connection) -> None:
        gather, take_data = connection.get_component_candidates, connection.data_received
        ours = list(self._ice.host_addresses)

        async def gather_ours(component: int, addresses: list[str], timeout: int = 5) -> Any:  # noqa: ASYNC109 -- aioice's signature
            found: list[Candidate] = []
            for address in ours or addresses:
                # One by one: aioice forgets open sockets when it is cancelled between two.
                found += await gather(component=component, addresses=[address], timeout=timeout)
            if connection._closing:
                # Closed meanwhile: aioice has closed what it had then, and will not look again.
                await asyncio.gather(*(protocol.close() for protocol in connection._protocols))
            if not found:
                msg = f"ice.host_addresses: expected one of {ours or addresses} here, got none; correct it"
                raise EnvironmentProblem(msg)
            for protocol in connection._protocols:
                self._gate_socket(connection, protocol)
            return found

        def data_received(datagram: bytes, component: int) -> None:
            # aioice takes STUN that it cannot parse for data, from anybody (RFC 7983: 0..3 is STUN only).
            if datagram[0] <= LAST_STUN_BYTE:
                self.dropped["malformed"] += 1
            else:
                take_data(datagram, component)

        _replace(connection, "get_component_candidates", gather_ours)
        _replace(connection, "data_received", data_received)

    def _gate_socket(self, connection: Connection, protocol: StunProtocol) -> None:
        gate = DatagramGate(self.dropped)
        received, send_stun = protocol.datagram_received, protocol.send_stun

        def datagram_received(datagram: bytes, address: tuple[Any, ...]) -> None:
            source = (str(address[0]), int(address[1]))
            if not gate.knows(source) and _passed_check(connection, source):
                gate.know(source)
            if not gate.admit(datagram, source, connection._queue.qsize()):
                return
            try:
                received(datagram, address)
            except HANDLER_FAULTS as fault:
                self.faults[type(fault).__name__] += 1

        def send_stun_and_learn(message: stun.Message, address: tuple[str, int]) -> None:
            # aioice answers with success only where the request was authenticated (RFC 8445 section 7.3).
            if message.message_class == stun.Class.RESPONSE:
                gate.know(address)
            send_stun(message, address)

        _replace(protocol, "datagram_received", datagram_received)
        _replace(protocol, "send_stun", send_stun_and_learn)

    def _gate_dtls(self, dtls: RTCDtlsTransport) -> None:
        receive_next, router = dtls._recv_next, dtls._rtp_router
        route = router.route_rtp

        async def receive_next_guarded() -> None:
            try:
                await receive_next()
            except HANDLER_FAULTS as fault:
                self.faults[type(fault).__name__] += 1
                if self.faults.total() > MAX_FAULTS:
                    raise ConnectionError from fault

        def route_known(packet: RtpPacket) -> Any:
            if packet.ssrc not in router.ssrc_table and len(router.ssrc_table) >= MAX_SSRCS:
                self.dropped["ssrc"] += 1
                return None
            return route(packet)

        _replace(dtls, "_recv_next", receive_next_guarded)
        _replace(router, "route_rtp", route_known)


def _passed_check(connection: Connection, address: tuple[str, int]) -> bool:
    succeeded = CandidatePair.State.SUCCEEDED
    return any(pair.state is succeeded and pair.remote_addr == address for pair in connection._check_list)


def _capabilities(kind: str, formats: tuple[Format, ...]) -> list[RTCRtpCodecCapability]:
    """The codecs of these formats in their order, and retransmission for video."""
    known = RTCRtpSender.getCapabilities(kind).codecs

    def wanted(found: RTCRtpCodecCapability, format_: Format) -> bool:
        same_profile = found.parameters.get("profile-level-id") == format_.profile
        return found.name.lower() == format_.codec and same_profile

    chosen = [found for format_ in formats for found in known if wanted(found, format_)]
    return chosen + [found for found in known if found.name == "rtx"]
