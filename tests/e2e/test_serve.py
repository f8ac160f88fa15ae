"""``guard serve`` as an operator runs it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


def test_it_serves_with_a_token_of_its_own_until_sigterm(tmp_path: Path):
    (tmp_path / "guard.toml").write_text("[web]\nport = 0\n[mqtt]\nurl = 'mqtt://127.0.0.1:9'\n")
    command = [sys.executable, "-m", "guard", "serve", "--dev", "--config", "guard.toml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GUARD_BOOTSTRAPPED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening at ").strip()
        token = process.stdout.readline().removeprefix("token for the room dev: ").strip()
        join, console = process.stdout.readline().split()[1], process.stdout.readline().split()[1]
        try:
            rooms = httpx.get(
                f"{url}/v1/rooms", headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=20
            )
            pages = [httpx.get(page, trust_env=False, timeout=20).status_code for page in (join, console)]
        finally:
            process.send_signal(signal.SIGTERM)
            _, logged = process.communicate(timeout=30)
    assert (rooms.status_code, rooms.json()) == (200, [])
    assert (join.startswith(f"{url}/join/dev#token="), console) == (True, f"{url}/#token={token}")
    assert pages == [200, 200]
    assert process.returncode == 0, logged
    assert "Traceback" not in logged
    assert "W0000" not in logged
