"""The commands together: a node, a caller, somebody beside it, and who listens to the broker."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from guard.cli.demo.pictures import talking_person
from tests.support.alerts import free_port, mosquitto
from tests.support.served import Running, running

pytestmark = pytest.mark.e2e


async def line_with(words: str, running: Running, *, of_errors: bool = False) -> str:
    """The next line that holds these words; fail where there is no more."""
    while words not in (line := await running.line(of_errors=of_errors)):
        assert line, f"it ended without saying {words!r}"
    return line


async def test_a_caller_is_watched_in_the_path_and_beside_it(tmp_path: Path):
    clip = str(await asyncio.to_thread(talking_person))
    port = free_port()
    async with mosquitto(tmp_path) as broker, AsyncExitStack() as stack:
        settings = {
            "GUARD__MQTT__URL": broker.url,
            "GUARD__WEB__PORT": str(port),
            "GUARD__ANALYSIS__FPS": "4",
        }

        async def start(*arguments: str, **environment: str) -> Running:
            return await stack.enter_async_context(running(tmp_path, *arguments, **settings, **environment))

        listening = await start("watch", "--states", "--json")
        node = await start("serve", "--dev")
        token = (await line_with("token for the room dev: ", node)).rpartition(" ")[2].strip()
        to = f"http://127.0.0.1:{port}/whip/dev"
        caller = await start("publish", clip, "--to", to, "--loop", "--json", GUARD_TOKEN=token)
        watch_at = (await line_with("WHEP", caller, of_errors=True)).split()[-1]
        beside = await start("attach", watch_at, "--name", "Ada", "--json", GUARD_TOKEN=token)
        await line_with('"state":"bona_fide"', beside)
        caller.interrupt()
        sent = await caller.end()
        ended = await beside.end()
        node.interrupt(signal.SIGTERM)
        done = await node.end()
        await asyncio.sleep(0.5)  # the broker's last words
        listening.interrupt()
        heard = await listening.end()
    assert (sent.status, ended.status, done.status, heard.status) == (0, 0, 0, 0)
    assert json.loads(sent.out)["ended"] == "stopped"
    assert json.loads(ended.out.splitlines()[-1])["reason"] == "source_ended"
    states = [json.loads(line) for line in heard.out.splitlines()]
    judged = {one["topic"].split("/")[2] for one in states if one["message"]}
    assert judged == {"node-1", "node-1-attach-1"}
    assert states[-1]["message"] is None
    for each in (sent, ended, done, heard):
        assert "Traceback" not in each.error
        assert token not in each.error
