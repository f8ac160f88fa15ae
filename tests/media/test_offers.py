import asyncio
import threading
import time

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
    for _ in range(2 * offers.AT_ONCE):  # each gives its place back
        with pytest.raises(SignallingError, match=f"got {type(fault).__name__} from reading it"):
            await take_offer(GOOD, "publish")


async def test_an_offer_that_takes_too_long_is_refused_and_keeps_its_place_until_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
):
    go_on, ended = threading.Event(), threading.Event()

    def slow(*_: object) -> Offer:
        go_on.wait()
        ended.set()
        raise ValueError

    monkeypatch.setattr(offers, "read_offer", slow)
    monkeypatch.setattr(offers, "_PLACES", threading.BoundedSemaphore(2))
    begun = time.monotonic()
    for _ in range(2):
        with pytest.raises(SignallingError, match=r"read within 0\.05 s"):
            await take_offer(GOOD, "publish", within=0.05)
    with pytest.raises(CapacityError, match="try again"):
        await take_offer(GOOD, "publish")
    assert time.monotonic() - begun < 2.0
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 5.0)
    monkeypatch.undo()
    assert (await take_offer(GOOD, "publish")).audio


async def test_without_a_further_thread_it_is_asked_to_try_again(monkeypatch: pytest.MonkeyPatch):
    def none(*_: object) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(offers, "_PLACES", threading.BoundedSemaphore(1))
    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", none)
    for _ in range(2):
        with pytest.raises(CapacityError, match="got none: can't start new thread"):
            await take_offer(GOOD, "publish")
