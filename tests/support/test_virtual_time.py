"""The virtual clock: jumps from timer to timer, in their order, and waits for threads."""

import asyncio
import socket

import pytest

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]


async def test_ten_minutes_pass_at_once_and_exactly():
    loop = asyncio.get_running_loop()
    await asyncio.sleep(600)
    assert loop.time() == 600.0


async def test_timers_fire_in_their_order():
    fired: list[float] = []

    async def note(delay: float) -> None:
        await asyncio.sleep(delay)
        fired.append(delay)

    await asyncio.gather(note(3), note(1), note(2))
    assert fired == [1, 2, 3]


async def test_timeout_fires_at_its_moment():
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.Event().wait()
    assert loop.time() == 30.0


async def test_thread_wakes_the_loop_before_the_clock_moves():
    async with asyncio.timeout(1):
        assert await asyncio.to_thread(sum, [1, 2]) == 3
    assert asyncio.get_running_loop().time() == 0.0


async def test_socket_that_is_ready_goes_before_a_timer():
    left, right = socket.socketpair()
    with left, right:
        left.settimeout(0)
        right.settimeout(0)
        right.send(b"x")
        async with asyncio.timeout(1):
            assert await asyncio.get_running_loop().sock_recv(left, 1) == b"x"
