"""Seeds to inputs: a few random changes each, quick rather than clever."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

EDGES = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 192, 200, 205, 206, 223, 254, 255)
"""Bytes at which parsers turn."""

NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"127",
    b"128",
    b"255",
    b"65535",
    b"65536",
    b"4294967296",
    b"9" * 30,
    b"1e9",
    b"",
)
STRANGE = (
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x80\xa8",
    b"\x1b[2J",
    b"%s",
    b"\xd9\xa3",
    b"\xc2\xb2",
    b" ",
    b":",
)
"""Text that few think of: a line separator, an escape, digits that are none of ours, a torn character."""

MAX_CHANGES = 4
MAX_RUN = 12

Draw: TypeAlias = Callable[[], float]
"""0 <= number < 1; the fastest that Python's generators give."""


class Mutator:
    """Makes inputs of seeds. Text is changed line by line, too, and ``tokens`` are put in here and there."""

    def __init__(
        self, seeds: Sequence[bytes], random: Random, *, text: bool = False, tokens: Sequence[bytes] = ()
    ) -> None:
        self._seeds = [*seeds, b""]
        self._draw = random.random
        self._text = text
        self._tokens = [*tokens, *STRANGE] if text else [*tokens, bytes(4), b"\xff" * 4]
        self._lines = sorted({line for seed in seeds for line in seed.splitlines()}) if text else []
        self._changes = (_flip, _set, _insert, _cut, _repeat, _truncate, self._splice, self._put_token)

    def __call__(self) -> bytes:
        """The next input."""
        draw = self._draw
        buffer = bytearray(self._pick(self._seeds))
        if self._text and draw() < 0.7:
            buffer = self._change_lines(buffer)
            if draw() < 0.8:
                return bytes(buffer)
        for _ in range(1 + int(draw() * draw() * MAX_CHANGES)):
            if buffer:
                self._changes[int(draw() * len(self._changes))](buffer, draw)
            else:
                self._splice(buffer, draw)
        return bytes(buffer)

    def _pick(self, choices: Sequence[bytes]) -> bytes:
        return choices[int(self._draw() * len(choices))]

    def _splice(self, buffer: bytearray, draw: Draw) -> None:
        other = self._pick(self._seeds)
        buffer[int(draw() * len(buffer)) :] = other[int(draw() * len(other)) :]

    def _put_token(self, buffer: bytearray, draw: Draw) -> None:
        at = int(draw() * len(buffer))
        token = self._pick(self._tokens)
        buffer[at : at + len(token) * (draw() < 0.5)] = token

    def _change_lines(self, buffer: bytearray) -> bytearray:
        draw, lines = self._draw, buffer.split(b"\r\n")
        for _ in range(1 + int(draw() * draw() * MAX_CHANGES)):
            at = int(draw() * len(lines))
            match int(draw() * 6):
                case 0:
                    del lines[at : at + 1 + int(draw() * draw() * 20)]
                case 1:
                    lines[at:at] = lines[at : at + 1] * (1 + int(draw() * draw() * 20))
                case 2:
                    lines.insert(at, bytearray(self._pick(self._lines)))
                case 3:
                    lines[at:] = lines[at + 1 :] + lines[at : at + 1]
                case _:
                    lines[at : at + 1] = [self._change_word(line) for line in lines[at : at + 1]]
            lines = lines or [bytearray()]
        return bytearray(b"\r\n").join(lines)

    def _change_word(self, line: bytearray) -> bytearray:
        """Put another word, or none, in the place of one."""
        draw = self._draw
        for separator in (b" ", b":", b";", b"=", b"/"):
            words = line.split(separator)
            if len(words) > 1 and draw() < 0.5:
                words[int(draw() * len(words))] = bytearray(self._pick((*NUMBERS, *self._tokens)))
                return bytearray(separator).join(words)
        return line + self._pick(self._tokens)


def _flip(buffer: bytearray, draw: Draw) -> None:
    buffer[int(draw() * len(buffer))] ^= 1 << int(draw() * 8)


def _set(buffer: bytearray, draw: Draw) -> None:
    buffer[int(draw() * len(buffer))] = EDGES[int(draw() * len(EDGES))]


def _insert(buffer: bytearray, draw: Draw) -> None:
    at = int(draw() * (len(buffer) + 1))
    buffer[at:at] = bytes([int(draw() * 256)]) * (1 + int(draw() * MAX_RUN))


def _cut(buffer: bytearray, draw: Draw) -> None:
    at = int(draw() * len(buffer))
    del buffer[at : at + 1 + int(draw() * MAX_RUN)]


def _repeat(buffer: bytearray, draw: Draw) -> None:
    at, start = int(draw() * len(buffer)), int(draw() * len(buffer))
    buffer[at:at] = buffer[start : start + 1 + int(draw() * MAX_RUN)]


def _truncate(buffer: bytearray, draw: Draw) -> None:
    del buffer[int(draw() * len(buffer)) :]
