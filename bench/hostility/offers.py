"""Offers changed by chance, through HTTP and through the function that reads them."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator

import httpx

from bench.hostility.callers import Site, chance_of
from bench.hostility.node import token
from bench.relaying.process import HERE
from guard.core.errors import SignallingError, UnsupportedCodec
from guard.media.assembler import Codec
from guard.media.client import FORMATS
from guard.media.forwarder import UnitQueue
from guard.media.signalling import OPUS, Role, read_offer
from guard.media.transport import Peer

SDP = {"Content-Type": "application/sdp"}
NUMBERS = ("0", "-1", "1", "65536", "4294967296", "9" * 30, "1e9", "", "\u0663")
CHARACTERS = "\0\t :;=/*,-\u00e9\u2028\ud7ff\U0001f600Az09"
AT_ONCE = 8
MAX_MUTATIONS = 4


async def sound_offers() -> list[str]:
    """What our own peers offer: each codec, with sound and without."""
    texts = []
    for codec in (Codec.VP8, Codec.H264):
        for sound in (False, True):
            peer = Peer(HERE, time.monotonic, lambda _: None, offers=True)
            peer.send(FORMATS[codec], UnitQueue(1, time.monotonic), lambda: None)
            if sound:
                peer.send(OPUS, UnitQueue(1, time.monotonic), lambda: None)
            texts.append(await peer.offer())
            await peer.close()
    return texts


def mutated(sound: list[str], seed: int) -> Iterator[str]:
    """Offers with up to four things wrong with each; the same ones for the same seed."""
    chance = chance_of(seed)
    while True:
        text = chance.choice(sound)
        for _ in range(chance.randint(1, MAX_MUTATIONS)):
            text = chance.choice(MUTATIONS)(text, chance)
        yield text


def _in_lines(text: str, chance: random.Random) -> str:
    """A line left out, said again, or moved."""
    lines = text.split("\r\n")
    at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
    line = lines.pop(at)
    lines[to:to] = chance.choice([[], [line], [line, line], [line] * chance.choice([2, 20, 900])])
    return "\r\n".join(lines)


def _in_numbers(text: str, chance: random.Random) -> str:
    """Some number replaced by another."""
    places = [place for place, one in enumerate(text) if one.isdigit()]
    if not places:
        return text
    at = chance.choice(places)
    return text[:at] + chance.choice(NUMBERS) + text[at + 1 :]


def _in_words(text: str, chance: random.Random) -> str:
    """A word of one place put in another."""
    words = text.split(" ")
    words[chance.randrange(len(words))] = chance.choice(words)
    return " ".join(words)


def _in_characters(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(CHARACTERS) + text[at + chance.randint(0, 3) :]


def _in_length(text: str, chance: random.Random) -> str:
    """Torn off, or with a part of it again."""
    at, to = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
    return chance.choice([text[:to], text[:to] + text[at:], text[at:]])


MUTATIONS = (_in_lines, _in_numbers, _in_words, _in_characters, _in_length)


def unexpected(sound: list[str], count: int) -> Counter[str]:
    """Read so many; count how they ended: ``taken``, ``refused``, or by what else was raised."""
    ends: Counter[str] = Counter()
    roles: tuple[Role, Role] = ("publish", "subscribe")
    for number, text in zip(range(count), mutated(sound, 4), strict=False):
        try:
            read_offer(text, roles[number % 2])
            ends["taken"] += 1
        except (SignallingError, UnsupportedCodec):
            ends["refused"] += 1
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it is what is looked for
            ends[type(error).__name__] += 1
    return ends


async def posted(site: Site, sound: list[str], count: int) -> Counter[str]:
    """Post so many, a session that begins is deleted at once; count the answers by their status."""
    ends: Counter[str] = Counter()
    offers = zip(range(count), mutated(sound, 5), strict=False)
    await asyncio.gather(*(_post(site, f"offers{number}", offers, ends) for number in range(AT_ONCE)))
    return ends


async def _post(site: Site, room: str, offers: Iterator[tuple[int, str]], ends: Counter[str]) -> None:
    bearer = {"Authorization": f"Bearer {token(site.key, room, room)}"}
    async with httpx.AsyncClient(base_url=site.url, headers=bearer, trust_env=False, timeout=30.0) as client:
        for _, text in offers:
            try:
                answer = await client.post(f"/whip/{room}", content=text.encode(), headers=SDP)
                ends[_status(answer)] += 1
                if answer.status_code == httpx.codes.CREATED:
                    ends[f"DELETE {_status(await client.delete(answer.headers['Location']))}"] += 1
            except httpx.HTTPError as error:
                ends[f"5xx {type(error).__name__}"] += 1


def _status(answer: httpx.Response) -> str:
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "Retry-After" in answer.headers:
        return "503 with Retry-After"
    return str(answer.status_code)


def faults(ends: Counter[str]) -> int:
    """How many of the answers are the node's fault."""
    told = {"503 with Retry-After", "DELETE 503 with Retry-After"}
    return sum(
        n for end, n in ends.items() if end.removeprefix("DELETE ").startswith("5") and end not in told
    )
