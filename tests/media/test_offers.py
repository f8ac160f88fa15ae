import asyncio
import gc
import threading

import pytest

from guard.core.errors import CapacityError, SignallingError, UnsupportedCodec
from guard.media import offers
from guard.media.offers import take_offer
from guard.media.signalling import Offer, Role, read_offer
from tests.media.test_signalling import GOOD

pytestmark = pytest.mark.unit


async def test_an_offer_is_read_in_another_thread(monkeypatch: pytest.MonkeyPatch):
    threads: list[str] = []
    read = read_offer

    def noting(text: str | bytes, role: Role) -> Offer:
        threads.append(threading.current_thread().name)
        return read(text, role)

    monkeypatch.setattr(offers, "read_offer", noting)
    assert (await take_offer(GOOD, "publish")).kinds == ("video", "audio")
    assert threads[0].startswith("offer")


async def test_a_refusal_stays_what_it_is():
    with pytest.raises(UnsupportedCodec):
        await take_offer(GOOD.replace("VP8", "VP9").replace("H264", "AV1"), "publish")


@pytest.mark.parametrize("fault", [RecursionError("too deep"), MemoryError(), KeyError("x"), OSError()])
async def test_whatever_a_parser_raises_is_a_refusal(fault: Exception, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> Offer:
        raise fault

    monkeypatch.setattr(offers, "read_offer", broken)
    for _ in range(2 * offers.LINE):  # each gives its place back
        with pytest.raises(SignallingError, match=f"got {type(fault).__name__} from reading it"):
            await take_offer(GOOD, "publish")


class Slow:
    """Stands in for ``read_offer``: each waits to be let go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun = 0
        self.at_once = 0
        self.most = 0

    def __call__(self, text: str | bytes, role: Role) -> Offer:
        self.begun += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.go_on.wait(5.0)
        self.at_once -= 1
        return read_offer(text, role)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    reading = Slow()
    monkeypatch.setattr(offers, "read_offer", reading)
    return reading


async def test_offers_are_read_one_at_a_time(slow: Slow):
    slow.go_on.set()
    read = await asyncio.gather(*(take_offer(GOOD, "publish") for _ in range(offers.LINE)))
    assert {offer.kinds for offer in read} == {("video", "audio")}
    assert (slow.begun, slow.most) == (offers.LINE, 1)


async def test_who_takes_too_long_is_refused_and_who_waits_too_long_may_try_again(slow: Slow):
    first, second = await asyncio.gather(
        take_offer(GOOD, "publish", within=0.05),
        take_offer(GOOD, "publish", within=0.05),
        return_exceptions=True,
    )
    assert isinstance(first, SignallingError)
    assert "read within 0.05 s" in str(first)
    assert isinstance(second, CapacityError)
    slow.go_on.set()
    assert (await take_offer(GOOD, "publish")).audio
    assert slow.begun == 2  # nobody waited for the second any more


async def test_a_line_that_is_full_takes_no_more(slow: Slow):
    waiting = [asyncio.create_task(take_offer(GOOD, "publish")) for _ in range(offers.LINE)]
    await asyncio.sleep(0)
    with pytest.raises(CapacityError, match="try again"):
        await take_offer(GOOD, "publish")
    slow.go_on.set()
    await asyncio.gather(*waiting)
    assert (await take_offer(GOOD, "publish")).audio


async def test_nothing_is_said_of_an_offer_that_is_given_up(slow: Slow, caplog: pytest.LogCaptureFixture):
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    waiting = asyncio.create_task(take_offer("no offer", "publish"))
    while not slow.begun:  # noqa: ASYNC110 -- another thread begins
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    slow.go_on.set()
    assert (await take_offer(GOOD, "publish")).audio
    del waiting
    gc.collect()
    assert not told
    assert not caplog.records


async def test_without_a_further_thread_it_is_asked_to_try_again(monkeypatch: pytest.MonkeyPatch):
    def none(*_: object) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        for _ in range(2):
            with pytest.raises(CapacityError, match="got none: can't start new thread"):
                await take_offer(GOOD, "publish")
    assert (await take_offer(GOOD, "publish")).audio
