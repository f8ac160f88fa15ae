import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiortc.rtp import AnyRtcpPacket, RtcpRtpfbPacket

from guard.media.assembler import Assembler
from guard.media.ice.adapter import IceAdapter
from guard.media.rtp.outbound import OutboundTrack
from guard.media.rtp.packet import Rtp, read_rtp
from tests.fuzz import __main__ as command
from tests.fuzz import loop, packets
from tests.fuzz.loop import Finding, Target, feed, fuzz, read_case, write_case
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.unit


def burn(seconds: float) -> None:
    """Spend CPU time, and be none the wiser."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def torn(one: bytes) -> None:
    if b"\xff" in one[1:4]:
        msg = "torn"
        raise KeyError(msg)


def slow(one: bytes) -> None:
    if one == b"slow":
        burn(2 * loop.LIMIT * loop.slowness())


def endless(one: bytes) -> None:
    while one:
        pass


def found(target: Target, inputs: int = 5000) -> Finding:
    finding = fuzz(target, inputs, seed=1).finding
    assert finding is not None
    return finding


def test_a_fault_is_found_and_its_input_kept():
    finding = found(replace(TARGETS["vp8"], check=torn))
    assert finding.fault.startswith("KeyError: 'torn' (test_loop.py:")
    assert b"\xff" in finding.one[1:4]


def test_the_same_seed_makes_the_same_inputs():
    runs: list[list[bytes]] = []
    for seed in (1, 1, 2):
        seen: dict[bytes, None] = {}  # the dearest come more than once
        fuzz(replace(TARGETS["offer"], check=seen.setdefault, costly=tuple), 50, seed)
        runs.append([*seen])
    assert runs[0] == runs[1] != runs[2]


def test_an_input_that_costs_too_much_is_a_finding():
    report = feed(Target("x", slow, 0), [b"fast", b"slow", b"never"])
    assert report.finding is not None
    assert report.finding.one == b"slow"
    assert report.finding.fault.endswith("ms of CPU")
    assert report.slowest > loop.LIMIT


def test_a_slow_machine_is_given_more_time(monkeypatch: pytest.MonkeyPatch):
    here = loop.slowness()
    monkeypatch.setattr(loop, "slowness", lambda: 3 * here)
    assert feed(Target("x", lambda _: burn(2 * loop.LIMIT * here), 0), [b"slow"]).finding is None


def test_an_input_that_never_ends_is_a_finding(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "STUCK", 0.05)
    report = feed(Target("x", endless, 0), [b"", b"for ever"])
    assert report.finding is not None
    assert report.finding.one == b"for ever"
    assert report.finding.fault.startswith("StuckError: still at it")


def read_beyond(datagram: bytes, send_time_id: int) -> Rtp:
    read = read_rtp(datagram, send_time_id)
    assert datagram[12] >= 0
    return read


async def test_a_reader_that_looks_beyond_the_end_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packets, "read_rtp", read_beyond)
    assert found(TARGETS["rtp"]).fault.startswith("IndexError")


async def test_an_assembler_without_bounds_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Assembler, "_overdue", lambda *_: False)
    assert found(TARGETS["assembler"]).fault.startswith("AssertionError")


async def test_a_gate_that_lets_strangers_in_is_found(monkeypatch: pytest.MonkeyPatch):
    def gate_nothing(self: IceAdapter, connection: object, protocol: object) -> None:
        """Leave the socket to aioice."""

    monkeypatch.setattr(IceAdapter, "_gate_socket", gate_nothing)
    assert found(TARGETS["stun"]).fault


async def test_a_request_that_is_not_wrapped_is_found(monkeypatch: pytest.MonkeyPatch):
    async def ask(self: OutboundTrack, packet: AnyRtcpPacket) -> None:
        self._feedback.missing(packet.lost if isinstance(packet, RtcpRtpfbPacket) else [])

    monkeypatch.setattr(OutboundTrack, "_handle_rtcp_packet", ask)
    assert found(TARGETS["rtcp"]).fault.startswith("AssertionError")


def test_a_finding_becomes_a_case_of_the_corpus(tmp_path: Path):
    finding = Finding("rtp", bytes(range(256)), "KeyError: 'torn\nin two'")
    write_case(tmp_path / "one.hex", finding)
    assert read_case(tmp_path / "one.hex") == finding.one


@pytest.mark.parametrize(("check", "status"), [(torn, 1), (len, 0)])
def test_the_command_fails_on_a_finding_and_says_where_it_is(
    check: Callable[[bytes], object],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    monkeypatch.setattr(command, "TARGETS", {"vp8": replace(TARGETS["vp8"], check=check)})
    monkeypatch.setattr(sys, "argv", ["fuzz", "--inputs", "2000", "--seed", "3"])
    assert command.main() == status
    told = capsys.readouterr().out
    assert told.startswith("seed 3\n")
    files = list(tmp_path.glob("guard-fuzz-*/found.hex"))
    assert len(files) == status
    assert told.count("bytes, 4096 at most: ") == status
    assert all(f"python -m tests.fuzz --target vp8 --case {file}" in told for file in files)
