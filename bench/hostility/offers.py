"""Offers changed by chance, and dear ones, through HTTP and through the function that reads them."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx

from bench.hostility.callers import Site, chance_of
from bench.hostility.node import token
from bench.relaying.process import Actor
from guard.core.errors import SignallingError, UnsupportedCodec
from guard.media.signalling import MAX_SDP_BYTES, Role, read_offer
from tests.fuzz.loop import CORPUS, corpus
from tests.fuzz.mutation import Mutator
from tests.fuzz.sdp import OFFER, costly_offers

SDP = {"Content-Type": "application/sdp"}
AT_ONCE = 8
BURST = 32
BURSTS = ("lines", "dearest")
ANSWER_S = 30.0


def sound_offer() -> str:
    """What our own publisher offers."""
    return (CORPUS / "offer" / "aiortc_sends_vp8.sdp").read_bytes().decode()


def mutated(count: int, seed: int) -> Iterator[bytes]:
    """So many offers of the fuzzers' corpus, browsers' among them, changed as the fuzzers do."""
    mutate = Mutator(list(corpus("offer").values()), chance_of(seed), text=True, tokens=OFFER.tokens)
    return (mutate() for _ in range(count))


def unexpected(count: int) -> Counter[str]:
    """Read so many; count how they ended: ``taken``, ``refused``, or by what else was raised."""
    ends: Counter[str] = Counter()
    roles: tuple[Role, Role] = ("publish", "subscribe")
    for number, text in enumerate(mutated(count, 4)):
        ends[_end(text, roles[number % 2])] += 1
    return ends


def _end(text: bytes, role: Role) -> str:
    try:
        read_offer(text, role)
    except (SignallingError, UnsupportedCodec):
        return "refused"
    except BaseException as error:  # noqa: BLE001 -- whatever it is, it is what is looked for
        return type(error).__name__
    return "taken"


def bursts() -> dict[str, bytes]:
    """Two offers, dear to refuse and dear to take: as many lines as fit, and the dearest that is taken."""
    taken = [text for text in costly_offers() if _end(text, "publish") == "taken"]
    return dict(zip(BURSTS, (b"a\n" * (MAX_SDP_BYTES // 2), max(taken, key=_cost)), strict=True))


def _cost(text: bytes) -> float:
    before = time.thread_time()
    read_offer(text, "publish")
    return time.thread_time() - before


class Poster(Actor):
    """Posts offers; a session that begins is deleted at once."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._bursts = bursts()

    async def post(self, count: int) -> Counter[str]:
        """Post so many changed offers, eight at once; count the answers by their status."""
        return await self._post_all(mutated(count, 5), AT_ONCE)

    async def burst(self, kind: str) -> Counter[str]:
        """Post one of the dear offers 32 times at once."""
        return await self._post_all(iter([self._bursts[kind]] * BURST), BURST)

    async def _post_all(self, offers: Iterator[bytes], at_once: int) -> Counter[str]:
        ends: Counter[str] = Counter()
        async with AsyncExitStack() as stack:
            rooms = [f"offers{number}" for number in range(at_once)]
            clients = [await stack.enter_async_context(client(self._site, room)) for room in rooms]
            # Connected beforehand, so that those of a burst come at once.
            await asyncio.gather(*(http.get("/livez") for http in clients))
            posting = (_post(http, room, offers, ends) for http, room in zip(clients, rooms, strict=True))
            await asyncio.gather(*posting)
        return ends


async def _post(http: httpx.AsyncClient, room: str, offers: Iterator[bytes], ends: Counter[str]) -> None:
    for text in offers:
        try:
            answer = await http.post(f"/whip/{room}", content=text, headers=SDP)
            ends[_status(answer)] += 1
            if answer.status_code == httpx.codes.CREATED:
                ends[f"DELETE {_status(await http.delete(answer.headers['Location']))}"] += 1
        except httpx.HTTPError as error:
            ends[f"5xx {type(error).__name__}"] += 1


def client(site: Site, room: str) -> httpx.AsyncClient:
    """HTTP with a token for a room."""
    bearer = {"Authorization": f"Bearer {token(site.key, room, room)}"}
    return httpx.AsyncClient(base_url=site.url, headers=bearer, trust_env=False, timeout=ANSWER_S)


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
