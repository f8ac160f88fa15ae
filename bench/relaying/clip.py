"""A synthetic clip that costs its bitrate, encoded once."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from guard.core.types import VideoFrame
from guard.media.assembler import Codec
from guard.media.encode import VideoEncoder

FPS = 30
FRAMES = 300
SIZES = {360: (640, 360, 700_000), 720: (1280, 720, 1_800_000)}
"""Columns, rows and bit/s by the name of the size."""

SPEEDS = ((3, 1), (-2, 2))
"""Columns and rows that each of the two textures moves by in a frame; no one motion predicts their sum."""

GRAIN = 6


def encoded(size: int) -> list[bytes]:
    """The clip as VP8, one keyframe at its beginning; SystemExit unless it has the bitrate within a tenth."""
    width, height, bitrate = SIZES[size]
    encoder = VideoEncoder(Codec.VP8, width, height, FPS, bitrate)
    units = [unit for frame in _frames(width, height) for unit in encoder.encode(frame)]
    got = bitrate_of([unit.payload for unit in units])
    if len(units) != FRAMES or not 0.9 * bitrate < got < 1.1 * bitrate:
        raise SystemExit(
            f"clip {size}: expected {FRAMES} units at {bitrate} bit/s, got {len(units)} at {got}"
        )
    return [unit.payload for unit in units]


def bitrate_of(units: list[bytes]) -> int:
    """Bits a second of the encoded pictures, without RTP."""
    return round(8 * sum(map(len, units)) * FPS / len(units))


def _frames(width: int, height: int) -> Iterator[VideoFrame]:
    chance = np.random.default_rng(1)
    textures = [_texture(chance, width, height) for _ in SPEEDS]
    grain = [chance.integers(0, GRAIN, (height, width), np.uint8) for _ in range(8)]
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    for number in range(FRAMES):
        luma = grain[number % len(grain)].copy()
        for texture, (right, down) in zip(textures, SPEEDS, strict=True):
            luma += np.roll(texture, (down * number, right * number), (0, 1))
        yield VideoFrame(y=luma, u=chroma, v=chroma, pts=number / FPS, arrived_at=0.0, decoded_at=0.0)


def _texture(chance: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """Smooth noise, 0..119, that goes on over its edges."""
    noise = chance.random((height, width))
    for axis in (0, 1):
        for step in (1, 2, 4, 8):
            noise = noise + np.roll(noise, step, axis)
    noise -= noise.min()
    texture: NDArray[np.uint8] = (noise * (119.0 / noise.max())).astype(np.uint8)
    return texture
