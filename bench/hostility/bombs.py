"""Keyframes that claim to be enormous, cut into packets in ways that hide it."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack

from bench.hostility.attackers import Insider
from bench.hostility.callers import Site, clip, seen
from bench.relaying.process import Actor
from guard.media.assembler import Codec

PART = 1100
"""Bytes of a picture in one packet."""

EVERY_S = 0.033
PATIENCE_S = 4.0
DRAIN_S = 0.3
DELIMITER = b"\x09\xf0"
ENHANCEMENT = b"\x06\x05\x04abcd\x80"
NAMES = ("VP8", "VP8, 9 bytes first", "H.264", "H.264, SPS fifth", "H.264, SPS in parts")
STAP_A, FU_A = 24, 28
SPS, PPS, IDR = 7, 8, 5


def bombs() -> dict[str, tuple[Codec, list[bytes]]]:
    """By name: the codec, and the RTP payloads of one picture of 16383x16383 (VP8) or 16000x8000 (H.264)."""
    vp8 = _vp8_keyframe(16_383, 16_383)
    sps = _parameters(16_000, 8_000)
    pps, idr = _of_clip(PPS), _of_clip(IDR)
    slices = list(_fragments(idr, PART))
    vp8_packets = (list(_vp8_packets(vp8, size)) for size in (PART, 9))
    h264_packets = (
        [_aggregate(sps, pps), *slices],
        [_aggregate(DELIMITER, *[ENHANCEMENT] * 3, sps, pps, idr[: PART // 2])],
        [*_fragments(sps, len(sps) // 2), pps, *slices],
    )
    made = [*((Codec.VP8, one) for one in vp8_packets), *((Codec.H264, one) for one in h264_packets)]
    return dict(zip(NAMES, made, strict=True))


def _vp8_keyframe(width: int, height: int) -> bytes:
    """Sound, but for the size in its header (RFC 6386 section 9.1)."""
    sound = clip(Codec.VP8)[0].payload
    return sound[:6] + width.to_bytes(2, "little") + height.to_bytes(2, "little") + sound[10:]


def _vp8_packets(frame: bytes, first: int) -> Iterator[bytes]:
    """RFC 7741 section 4.2: only the descriptor of the first has the bit that says so."""
    yield b"\x10" + frame[:first]
    for at in range(first, len(frame), PART):
        yield b"\0" + frame[at : at + PART]


def _of_clip(kind: int) -> bytes:
    """The first NAL unit of this kind in a keyframe."""
    parts = re.split(rb"\x00?\x00\x00\x01", clip(Codec.H264)[0].payload)
    return next(part for part in parts if part and part[0] & 31 == kind)


def _parameters(width: int, height: int) -> bytes:
    """A sequence parameter set of the baseline profile (H.264 section 7.3.2.1.1)."""
    numbers = (0, 0, 2, 1)  # id, frame numbers' bits, order by decoding, one reference
    bits = "".join(map(_exp_golomb, numbers)) + "0"
    bits += _exp_golomb(width // 16 - 1) + _exp_golomb(height // 16 - 1) + "110" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    return b"\x67\x42\xe0\x1f" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def _exp_golomb(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def _aggregate(*units: bytes) -> bytes:
    """RFC 6184 section 5.7.1."""
    return bytes([0x60 | STAP_A]) + b"".join(len(one).to_bytes(2, "big") + one for one in units)


def _fragments(unit: bytes, size: int) -> Iterator[bytes]:
    """RFC 6184 section 5.8."""
    head, body = unit[0], unit[1:]
    for at in range(0, len(body), size):
        place = 0x80 * (at == 0) | 0x40 * (at + size >= len(body))
        yield bytes([head & 0xE0 | FU_A, place | head & 31]) + body[at : at + size]


class Bomber(Actor):
    """An insider who sends one again and again, and somebody who watches it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._bombs = bombs()

    async def bomb(self, name: str, room: str) -> int:
        """Send until the node ends the call, four seconds at most; return how many packets were relayed."""
        codec, payloads = self._bombs[name]
        caller = Insider(self._site, room, clip(codec))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(caller.publisher.stop)
            watcher = self._site.watcher(room, await caller.join())
            await watcher.start()
            stack.push_async_callback(watcher.stop)
            await seen(watcher)
            await caller.hush()
            await asyncio.sleep(DRAIN_S)
            before = watcher.packets
            await self._send(caller, payloads)
            return watcher.packets - before

    @staticmethod
    async def _send(caller: Insider, payloads: list[bytes]) -> None:
        udp, address = caller.socket()
        with udp:
            for _ in range(round(PATIENCE_S / EVERY_S)):
                for payload in payloads:
                    udp.sendto(caller.made(payload, marker=payload is payloads[-1]), address)
                await asyncio.sleep(EVERY_S)
                if caller.publisher.gone.is_set():
                    return
