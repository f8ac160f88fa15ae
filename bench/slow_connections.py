"""Do callers who send their requests slowly hinder the others, and are they closed?

    python bench/slow_connections.py [--connections 200] [--json]

A server with the default settings and a small app runs in a process of its own. Connections are opened from
loopback addresses, 50 from each (127.0.0.2 and up, as Linux has them), so that the limit per address closes
none; each sends a line of its head every second, and never the last. Meanwhile ordinary requests come five
times a second, each on a new connection from 127.0.0.1: ``normal_ms_p95`` is from connecting to the whole
answer. ``closed`` counts the slow ones that the server closed; ``all_closed_s`` is from the first one's
connecting to the last one's end.
"""

import argparse
import asyncio
import json
import multiprocessing
import time
from multiprocessing.connection import Connection

import httpx
from fastapi import FastAPI

from guard.config import WebSettings
from guard.telemetry.stamps import percentile
from guard.web.limits import BodyLimit
from guard.web.server import HttpServer

FROM_ONE_ADDRESS = 50
LINE_EVERY_S = 1.0
REQUEST_EVERY_S = 0.2
PATIENCE_S = 60.0


def serve(pipe: Connection) -> None:
    """Serve until the other end of the pipe speaks."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    app = FastAPI()
    web = WebSettings(port=0)
    app.add_middleware(BodyLimit, limit=web.body_limit_bytes)
    app.add_api_route("/livez", lambda: {"live": True})
    async with HttpServer(app, web) as server:
        pipe.send(server.port)
        await asyncio.to_thread(pipe.recv)


async def slow(number: int, port: int) -> bool:
    """Send a head line by line until the server closes; whether it did."""
    source = f"127.0.0.{2 + number // FROM_ONE_ADDRESS}"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    ended = asyncio.create_task(reader.read())
    writer.write(b"GET /livez HTTP/1.1\r\nHost: guard\r\n")
    begun = time.monotonic()
    while not ended.done() and time.monotonic() - begun < PATIENCE_S:
        await asyncio.wait({ended}, timeout=LINE_EVERY_S)
        writer.write(b"X-Slow: 1\r\n")
    closed = ended.done()
    writer.transport.abort()
    ended.cancel()
    await asyncio.gather(ended, return_exceptions=True)
    return closed


async def ordinary(port: int, taken_ms: list[float]) -> None:
    """Ask again and again, each time on a new connection."""
    while True:
        begun = time.monotonic()
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:  # noqa: S501 -- plain HTTP
            (await client.get(f"http://127.0.0.1:{port}/livez")).raise_for_status()
        taken_ms.append(1000 * (time.monotonic() - begun))
        await asyncio.sleep(REQUEST_EVERY_S)


async def measure(connections: int, port: int) -> dict[str, float]:
    """Open all of them at once and ask meanwhile."""
    taken_ms: list[float] = []
    asking = asyncio.create_task(ordinary(port, taken_ms))
    begun = time.monotonic()
    closed = await asyncio.gather(*(slow(number, port) for number in range(connections)))
    all_closed_s = time.monotonic() - begun
    if asking.done():
        asking.result()  # an ordinary request failed
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return {
        "connections": connections,
        "normal_ms_p95": round(percentile(sorted(taken_ms), 0.95), 1),
        "closed": sum(closed),
        "all_closed_s": round(all_closed_s, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print only the last line, as always")
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,))
    server.start()
    try:
        print(json.dumps(asyncio.run(measure(options.connections, here.recv()))))
    finally:
        here.send("stop")
        server.join()


if __name__ == "__main__":
    main()
