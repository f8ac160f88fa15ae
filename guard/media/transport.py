"""The one door to aiortc and aioice: peers that hand out RTP payloads and send encoded units."""
# ruff: noqa: SLF001 -- this adapter is the one place that uses aiortc's private names, see ADAPTED

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, cast

from aioice import ice as aioice_ice
from aioice.ice import CandidatePair, Connection, StunProtocol, get_host_addresses
from aioice.turn import TurnTransport
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceTransportPolicy,
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
from aiortc.sdp import candidate_from_sdp

from guard.config import IceSettings
from guard.core.errors import SignallingError
from guard.core.units import Clock, Seconds
from guard.core.windows import Bucket
from guard.media.assembler import AccessUnit, Kind, Packet
from guard.media.frames import MediaPacket, packet_of
from guard.media.gates import DEFAULT_LIMITS, DatagramGate, Limits
from guard.media.ice.adapter import HANDLER_FAULTS, IceAdapter
from guard.media.ice.private import replace, require
from guard.media.rtp.inbound import InboundTrack, SenderReport
from guard.media.rtp.inlet import FewSources, Inlet
from guard.media.rtp.outbound import RESENDS_AT_ONCE, RESENDS_PER_SECOND, Feedback, OutboundTrack
from guard.media.signalling import PARSER_FAULTS, Format, Fragment, Offer, read_answer
from guard.media.turn import IceServer

ADAPTED: dict[object, tuple[str, ...]] = {
    RTCPeerConnection: ("_RTCPeerConnection__connect", "_RTCPeerConnection__createDtlsTransport"),
    RTCRtpReceiver: ("receive", "stop"),
    RTCRtpSender: ("_send_keyframe", "_retransmit"),
    RTCDtlsTransport: ("_setup_srtp", "_recv_next", "_register_rtp_receiver", "_unregister_rtp_receiver"),
    StunProtocol: ("datagram_received", "send_stun"),
    Connection: (
        "get_component_candidates",
        "data_received",
        "add_remote_candidate",
        "_add_remote_candidate",
        "build_request",
        "check_incoming",
        "check_start",
        "check_state",
        "switch_role",
        "_remote_candidates_expected",
        "_prune_components",
    ),
    CandidatePair: ("remote_addr", "State"),
    aioice_ice: ("get_host_addresses", "relayed_candidate"),
}
"""Private names of aiortc and aioice that are used or replaced here, by class or module."""

ADAPTED_TO_SEND_PACKETS: dict[object, tuple[str, ...]] = {
    RTCRtpSender: ("send", "stop"),
    RTCDtlsTransport: ("_register_rtp_sender", "_unregister_rtp_sender"),
}
"""Those without which units can still be sent, but no packets as they came."""

REFUSALS = (*PARSER_FAULTS, InvalidAccessError, InternalError, InvalidStateError, OperationError)
MAX_FAULTS = 1000
"""A call whose packets made handlers fail so often is ended."""

MAX_NAMED = 64
"""Candidates trickled in a call; the adapter uses 16 places."""

SETTLE_TIMEOUT: Seconds = 2.0


class UnitSource(Protocol):
    """Where a sending track takes its units from."""

    async def next(self) -> AccessUnit | None:
        """Wait for the next unit; None ends the track."""


def check_adapter() -> None:
    """Raise EnvironmentProblem unless the installed aiortc and aioice have the private names used here."""
    for owner, names in ADAPTED.items():
        for name in names:
            require(owner, name)
    gatherer = RTCIceGatherer(iceServers=[])
    ice = RTCIceTransport(gatherer)
    dtls = RTCDtlsTransport(ice, [RTCCertificate.generateCertificate()])
    relayed = TurnTransport(None)  # type: ignore[arg-type]  # it is looked at only
    for thing, name in (
        (dtls, "_rtp_router"),
        (dtls, "_task"),
        (dtls, "_rx_srtp"),
        (dtls, "_tx_srtp"),
        (ice, "_connection"),
        (relayed, "_TurnTransport__close_task"),
    ):
        require(thing, name)
    for name in ("_queue", "_protocols", "_check_list", "_closing", "_remote_candidates", "_nominated"):
        require(ice._connection, name)
    for name in ("payload_type_table", "ssrc_table"):
        require(dtls._rtp_router, name)


def check_packet_sender() -> None:
    """Raise EnvironmentProblem unless packets can be sent as they came; units can be sent all the same."""
    for owner, names in ADAPTED_TO_SEND_PACKETS.items():
        for name in names:
            require(owner, name)
    set_there = RTCRtpSender.__init__.__code__.co_names  # one cannot be made without an event loop
    for name in ("_ssrc", "_rtx_ssrc"):
        if name not in set_there:
            require(RTCRtpSender, name)


def machine_addresses() -> tuple[str, ...]:
    """The addresses of this machine, but loopback and link-local ones; offered where none are set."""
    return tuple(get_host_addresses(use_ipv4=True, use_ipv6=True))


class UnitTrack(MediaStreamTrack):
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

    ``dropped`` counts datagrams and candidates refused, ``faults`` what handlers raised. With ``relay_only``
    nothing flows but through a TURN server.
    """

    def __init__(
        self,
        ice: IceSettings,
        clock: Clock,
        on_state: Callable[[str], None],
        *,
        offers: bool = False,
        relay_only: bool = False,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self.gate = DatagramGate(self.dropped, clock, limits)
        self.faults: Counter[str] = Counter()
        bundle = RTCBundlePolicy.MAX_BUNDLE if offers else RTCBundlePolicy.BALANCED
        policy = RTCIceTransportPolicy.RELAY if relay_only else RTCIceTransportPolicy.ALL
        # An empty list of servers: with none given aiortc would ask a public STUN server.
        self._pc = RTCPeerConnection(RTCConfiguration([], policy, bundle))
        own = ice.host_addresses or machine_addresses()
        self._ice = IceAdapter(ice, own, self.gate, self.faults, self.spawn, relay_only=relay_only)
        self._clock = clock
        self._transports: list[RTCDtlsTransport] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._named: set[tuple[str, int]] = set()
        connect = self._pc._RTCPeerConnection__connect  # type: ignore[attr-defined]  # mangled by Python
        replace(self._pc, "_RTCPeerConnection__connect", lambda: self._guarded(connect()))
        create = self._pc._RTCPeerConnection__createDtlsTransport  # type: ignore[attr-defined]  # same
        replace(self._pc, "_RTCPeerConnection__createDtlsTransport", lambda: self._adapted(create()))
        self._pc.on("connectionstatechange", lambda: on_state(self._pc.connectionState))

    @property
    def remote_address(self) -> tuple[str, int] | None:
        """Where the peer's packets come from: the far end of the selected pair; None before there is one."""
        for dtls in self._transports:
            for pair in dtls.transport._connection._nominated.values():
                return pair.remote_addr
        return None

    def receive(
        self,
        kind: Kind,
        formats: tuple[Format, ...],
        on_packet: Callable[[Packet], None],
        *,
        on_report: Callable[[SenderReport], None] = lambda _: None,
        allow: Callable[[int | None], int | None] = lambda own: own,
    ) -> InboundTrack:
        """Take one track in one of these formats; packets and reports are handed over on the event loop.

        ``allow`` says what the peer may send, given our own estimate; bit/s, None for no limit.
        """
        transceiver = self._pc.addTransceiver(kind, "recvonly")
        transceiver.setCodecPreferences(_capabilities(kind, formats))
        track = InboundTrack(kind, transceiver, on_packet, self._clock, on_report=on_report, allow=allow)
        replace(transceiver.receiver, "receive", track.receive)
        replace(transceiver.receiver, "stop", track.stop)
        return track

    def send(self, format_: Format, source: UnitSource, on_keyframe_wanted: Callable[[], None]) -> None:
        """Send the units of ``source`` to the peer; PLI and FIR of the peer are handed over."""
        track = UnitTrack(format_.codec.kind, source)
        transceiver = self._pc.addTransceiver(track, "sendonly")
        transceiver.setCodecPreferences(_capabilities(track.kind, (format_,)))
        replace(transceiver.sender, "_send_keyframe", on_keyframe_wanted)
        replace(transceiver.sender, "_retransmit", self._bounded(transceiver.sender._retransmit))

    def _bounded(self, resend: Callable[[int], Awaitable[None]]) -> Callable[[int], Awaitable[None]]:
        """Send so many packets again a second; one report may ask for thousands."""
        allowed = Bucket(RESENDS_PER_SECOND, RESENDS_AT_ONCE)

        async def resend_some(sequence_number: int) -> None:
            if allowed.take(1, self._clock()):
                await resend(sequence_number)
            else:
                self.dropped["resends"] += 1

        return resend_some

    def send_packets(self, format_: Format, feedback: Feedback, dropped: Counter[str]) -> OutboundTrack:
        """Send the peer packets that others made; ``dropped`` counts those that could not go out."""
        transceiver = self._pc.addTransceiver(format_.codec.kind, "sendonly")
        transceiver.setCodecPreferences(_capabilities(format_.codec.kind, (format_,)))
        track = OutboundTrack(transceiver, feedback, dropped)
        replace(transceiver.sender, "send", track.send)
        replace(transceiver.sender, "stop", track.stop)
        return track

    def decline(self, kind: Kind) -> None:
        """Answer a media section of this kind with inactive."""
        self._pc.addTransceiver(kind, "inactive")

    async def answer(self, offer: Offer) -> str:
        """Take the peer's offer and return our answer; raise SignallingError where aiortc refuses it."""
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except REFUSALS as refusal:
            msg = (
                f"SDP offer: expected one that can be answered, got {type(refusal).__name__} from it; "
                f"post what createOffer() gives, unchanged"
            )
            raise SignallingError(msg) from None
        return str(self._pc.localDescription.sdp)

    async def offer(self, servers: tuple[IceServer, ...] = (), *, foreign: bool = False) -> str:
        """Our offer with all its candidates, also one relayed by the first of the TURN servers that will.

        Those that are ``foreign``, named by somebody else, must stand where a peer's candidates may.
        STUN servers are not asked: the peer learns our address from our checks (RFC 8445 section 7.3.1.3).
        """
        self._ice.gathering.relay_by(servers, foreign=foreign)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return str(self._pc.localDescription.sdp)

    async def accept(self, answer_sdp: str) -> None:
        """Take the answer to our offer; raise SignallingError where aiortc refuses it."""
        answer = read_answer(answer_sdp, self._pc.localDescription.sdp)
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except REFUSALS as refusal:
            msg = f"SDP answer: expected one that fits our offer, got {type(refusal).__name__} from it"
            raise SignallingError(msg) from None

    async def add_candidates(self, fragment: Fragment) -> None:
        """Take trickled candidates; those named before are left out, those beyond the limit counted, too."""
        for mid, value in fragment.candidates:
            candidate = candidate_from_sdp(value)
            candidate.sdpMid = mid
            place = (candidate.ip, candidate.port)
            if place in self._named:
                continue
            if len(self._named) >= MAX_NAMED:  # aiortc keeps each, used or not
                self.dropped["candidate"] += 1
                continue
            self._named.add(place)
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
        self._ice.close()
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
        except (*HANDLER_FAULTS, InvalidStateError) as fault:  # the latter: closed before it could begin
            self.faults[type(fault).__name__] += 1

    def _adapted(self, dtls: RTCDtlsTransport) -> RTCDtlsTransport:
        """Put the gates between the network and a transport of aiortc, as soon as it is there."""
        self._transports.append(dtls)
        self._ice.adapt(dtls.transport._connection, Inlet(dtls, self.dropped).take)
        self._guard_handlers(dtls)
        return dtls

    def _guard_handlers(self, dtls: RTCDtlsTransport) -> None:
        receive_next, set_up = dtls._recv_next, dtls._setup_srtp

        def set_up_for_few_sources() -> None:
            set_up()
            if dtls._rx_srtp is not None:
                dtls._rx_srtp = cast("Any", FewSources(dtls._rx_srtp, self.gate))

        async def receive_next_guarded() -> None:
            try:
                await receive_next()
            except HANDLER_FAULTS as fault:
                self.faults[type(fault).__name__] += 1
                if self.faults.total() > MAX_FAULTS:
                    raise ConnectionError from fault

        replace(dtls, "_setup_srtp", set_up_for_few_sources)
        replace(dtls, "_recv_next", receive_next_guarded)


def _capabilities(kind: str, formats: tuple[Format, ...]) -> list[RTCRtpCodecCapability]:
    """The codecs of these formats in their order, and retransmission for video."""
    known = RTCRtpSender.getCapabilities(kind).codecs

    def wanted(found: RTCRtpCodecCapability, format_: Format) -> bool:
        same_profile = found.parameters.get("profile-level-id") == format_.profile
        return found.name.lower() == format_.codec and same_profile

    chosen = [found for format_ in formats for found in known if wanted(found, format_)]
    return chosen + [found for found in known if found.name == "rtx"]
