"""Nothing leaves the machine but what the operator named: libraries report to nobody."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
REPORTED_WITHIN = 12.0
"""Unhindered, MediaPipe asked after 3.5 s and ONNX Runtime after 10 s."""


async def test_no_library_reports_to_its_maker(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    proxy = await asyncio.start_server(hear, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"), address)
    (tmp_path / "guard.toml").write_text("[web]\nport = 0\n[mqtt]\nurl = 'mqtt://127.0.0.1:9'\n")
    node = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "guard", "serve", "--dev", "--config", "guard.toml"),
        cwd=tmp_path,
        env=os.environ | proxies | {"PYTHONPATH": str(ROOT), "GUARD_BOOTSTRAPPED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert node.stdout is not None
    async with asyncio.timeout(60):
        assert (await node.stdout.readline()).startswith(b"listening at ")
    await asyncio.sleep(REPORTED_WITHIN)
    node.terminate()
    await node.communicate()
    proxy.close()
    await proxy.wait_closed()
    assert asked == []
    assert node.returncode == 0
