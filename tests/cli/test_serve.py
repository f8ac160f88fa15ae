"""``guard serve``: what it needs, and its end."""

import asyncio
from pathlib import Path

import httpx
import pytest

from guard.cli.serve import serve_until
from guard.core.errors import EnvironmentProblem
from guard.web.tokens import TokenIssuer
from tests.support.command import Command
from tests.support.node import bare_node, bare_settings

pytestmark = [pytest.mark.media, pytest.mark.peers]


def test_without_a_key_it_does_not_start(guard: Command):
    done = guard("serve")
    assert done.status == 1
    assert done.error.startswith(
        "guard: web.token_key: expected a key of at least 32 bytes, got none; make one"
    )


async def test_it_serves_until_it_is_told_to_stop(tmp_path: Path):
    settings, stop = bare_settings(tmp_path), asyncio.Event()
    node = await asyncio.to_thread(bare_node, settings)
    said: asyncio.Queue[str] = asyncio.Queue()
    serving = asyncio.create_task(
        serve_until(stop, node, TokenIssuer("k" * 48, "x"), settings, said.put_nowait)
    )
    url = await said.get()
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{url}/readyz")).json()["ready"] is True
        stop.set()
        while not node.not_ready():  # noqa: ASYNC110 -- a turn of the loop or two
            await asyncio.sleep(0)
        leaving = await client.get(f"{url}/readyz")
        assert (leaving.status_code, leaving.json()["reasons"]) == (503, ["the node is stopping"])
        assert (await client.get(f"{url}/livez")).status_code == 200
        await serving
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/livez")


async def test_a_server_that_dies_ends_the_node(tmp_path: Path):
    settings = bare_settings(tmp_path)
    node = await asyncio.to_thread(bare_node, settings)
    said: asyncio.Queue[str] = asyncio.Queue()
    serving = asyncio.create_task(
        serve_until(asyncio.Event(), node, TokenIssuer("k" * 48, "x"), settings, said.put_nowait)
    )
    await said.get()
    (http,) = (task for task in asyncio.all_tasks() if task.get_name() == "http/accept")
    http.cancel()
    with pytest.raises(EnvironmentProblem, match="take connections"):
        await serving
    assert "the node is stopping" in node.not_ready()


def test_lan_is_for_trying_out_only(guard: Command):
    done = guard("serve", "--lan")
    assert done.status == 2
    assert "--dev" in done.error


async def test_where_it_cannot_listen_the_node_is_stopped(tmp_path: Path):
    settings = bare_settings(tmp_path)
    web = settings.web.model_copy(update={"host": "198.51.100.1"})
    node = await asyncio.to_thread(bare_node, settings)
    with pytest.raises(EnvironmentProblem, match=r"198\.51\.100\.1"):
        await serve_until(
            asyncio.Event(),
            node,
            TokenIssuer("k" * 48, "x"),
            settings.model_copy(update={"web": web}),
            lambda _: None,
        )
    assert "the node is stopping" in node.not_ready()
