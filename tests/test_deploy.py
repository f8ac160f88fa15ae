"""What deploys a node: Dockerfile, compose files, broker, systemd unit; no container engine is needed."""

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML carries no types

import guard
from guard.alerts.address import BrokerAddress
from guard.alerts.board import Note
from guard.alerts.mqtt import Dialer
from guard.config.load import load
from guard.config.settings import MqttSettings
from guard.core.errors import DeliveryError
from tests.support.alerts import PATIENCE_S, free_port, watching
from tests.support.dockerfile import faults, stages, words_of

pytestmark = [pytest.mark.media, pytest.mark.peers]

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "configs" / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
TARGETS = ("cpu", "gpu")


def compose(name: str) -> dict[str, Any]:
    """A compose file as a tree."""
    tree: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return tree


# ---- Dockerfile


def test_the_dockerfile_keeps_the_rules():
    assert faults(DOCKERFILE, ROOT, TARGETS) == []


GOOD = """FROM python:3.11-slim AS cpu
LABEL org.opencontainers.image.title="x" org.opencontainers.image.description="x" \\
    org.opencontainers.image.licenses="x" org.opencontainers.image.version="x"
RUN apt-get update && apt-get install -y --no-install-recommends x && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir x
WORKDIR /x
COPY README.md /x
USER 10001:10001
VOLUME ["/x"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --retries=3 CMD ["x"]
ENTRYPOINT ["x"]
CMD ["x"]
"""


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("python:3.11-slim", "python", "base without a version: python"),
        ("python:3.11-slim", "python:latest", "base without a version: python:latest"),
        ("--no-install-recommends ", "", "apt-get install without --no-install-recommends"),
        (" -y ", " ", "apt-get install without -y"),
        ("apt-get update && ", "", "apt-get install without apt-get update"),
        (" && rm -rf /var/lib/apt/lists/*", "", "apt-get install without rm -rf /var/lib/apt/lists/*"),
        (" --no-cache-dir", "", "pip without --no-cache-dir"),
        ("WORKDIR /x", "WORKDIR x", "WORKDIR is relative"),
        ("COPY README.md", "COPY nowhere.md", "COPY of what is not there: nowhere.md"),
        ("COPY README.md", "ADD README.md", "ADD is not for us"),
        ("USER 10001:10001", "USER 10001:10001\nUSER root", "cpu: runs as root"),
        ("USER 10001:10001", "USER 0:0", "cpu: runs as 0:0"),
        ("USER 10001:10001\n", "", "cpu: runs as root"),
        ("USER 10001:10001", "ENV API_TOKEN=x\nUSER 10001:10001", "a secret in ENV"),
        ("USER 10001:10001", "ARG PASSWORD\nUSER 10001:10001", "a secret in ARG"),
        ("--interval=15s", "--interval=9s", "cpu: HEALTHCHECK without --interval=15s"),
        ('retries=3 CMD ["x"]', "retries=3 CMD x", 'cpu: HEALTHCHECK without CMD ["'),
        ('ENTRYPOINT ["x"]', "ENTRYPOINT x", "ENTRYPOINT not in exec form"),
        ("STOPSIGNAL SIGTERM\n", "", "cpu: no STOPSIGNAL"),
        ("RUN pip", "RUN cd /x && pip", "sudo, cd or a script from a pipe"),
        ("RUN pip", "RUN curl x | sh && pip", "sudo, cd or a script from a pipe"),
        ("image.licenses", "image.vendor", "cpu: no label licenses"),
    ],
)
def test_each_rule_can_be_broken(before: str, after: str, fault: str):
    assert faults(GOOD, ROOT, TARGETS) == []
    assert before in GOOD
    assert fault in faults(GOOD.replace(before, after), ROOT, TARGETS)


def test_the_default_image_is_the_one_for_the_cpu():
    found = {stage.name: stage for stage in stages(DOCKERFILE)}
    assert list(found)[-1] == "cpu"
    assert set(TARGETS) <= set(found)


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_starts_a_node_on_its_own_settings(target: str):
    (stage,) = (one for one in stages(DOCKERFILE) if one.name == target)
    assert words_of(stage.last("ENTRYPOINT")) == ["guard"]
    assert words_of(stage.last("CMD")) == ["serve", "--config", "/etc/guard/guard.toml"]
    assert "configs/deploy/guard.toml /etc/guard/guard.toml" in stage.every("COPY")
    assert f'org.opencontainers.image.version="{guard.__version__}"' in " ".join(stage.every("LABEL"))
    settings = load(DEPLOY / "guard.toml", {})
    assert words_of(stage.last("VOLUME")) == [str(settings.alerts.outbox_path.parent)]
    assert stage.last("WORKDIR") == str(settings.alerts.outbox_path.parent)
    assert stage.last("EXPOSE") == str(settings.web.port)
    assert settings.web.host == "0.0.0.0"  # noqa: S104 -- inside a container


def test_both_images_differ_in_base_and_libraries_only():
    cpu, gpu = ({one.word: one.value for one in stage.instructions} for stage in _targets())
    for word in ("USER", "WORKDIR", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD", "STOPSIGNAL"):
        assert cpu[word] == gpu[word]


def _targets() -> list[Any]:
    return [stage for stage in stages(DOCKERFILE) if stage.name in TARGETS]


def test_the_image_is_given_what_it_copies_and_no_secrets():
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        path
        for stage in stages(DOCKERFILE)
        for value in stage.every("COPY")
        if not value.startswith("--from")
        for path in value.split()[:-1]
    }
    assert {
        path for path in copied if not any(path == one or path.startswith(f"{one}/") for one in allowed)
    } == set()
    assert "configs/deploy/secrets" in lines
    assert "configs/deploy/secrets/" in (ROOT / ".gitignore").read_text().split()


# ---- compose


def environment_of(service: dict[str, Any], folder: Path) -> dict[str, str]:
    """Its variables, with their defaults, and secrets that stand in ``folder``."""
    found = {}
    for name, value in service["environment"].items():
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
        if text.startswith("/run/secrets/"):
            path = folder / text.rpartition("/")[2]
            path.write_text("s" * 48)
            text = str(path)
        found[name] = text
    return found


def test_the_composed_node_has_sound_settings_and_its_secrets_as_files(tmp_path: Path):
    service = compose("compose.yaml")["services"]["guard"]
    settings = load(DEPLOY / "guard.toml", environment_of(service, tmp_path))
    assert settings.web.token_key is not None
    assert settings.mqtt.password is not None
    assert settings.web.host == "127.0.0.1"
    assert BrokerAddress.of(settings.mqtt) == BrokerAddress("127.0.0.1", 1883, tls=False)
    secret = re.compile(r"KEY|PASSWORD|SECRET|CREDENTIAL")
    assert [
        name for name in service["environment"] if secret.search(name) and not name.endswith("_FILE")
    ] == []


@pytest.mark.parametrize("name", ["guard", "mosquitto"])
def test_a_composed_service_is_allowed_nothing_it_does_not_need(name: str):
    service = compose("compose.yaml")["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["restart"] == "unless-stopped"


def test_what_a_composed_service_writes_is_a_volume():
    tree = compose("compose.yaml")
    node = tree["services"]["guard"]
    settings = load(DEPLOY / "guard.toml", {})
    assert f"guard-data:{settings.alerts.outbox_path.parent}" in node["volumes"]
    assert node["tmpfs"].startswith("/tmp:")  # noqa: S108 -- the container's
    named = {one.partition(":")[0] for service in tree["services"].values() for one in service["volumes"]}
    assert {one for one in named if not one.startswith("./")} == set(tree["volumes"])


def test_every_file_that_compose_names_is_there_or_a_secret_that_is_told_how_to_make():
    tree, text = compose("compose.yaml"), (DEPLOY / "compose.yaml").read_text()
    mounted = [one.partition(":")[0] for service in tree["services"].values() for one in service["volumes"]]
    assert [one for one in mounted if one.startswith("./") and not (DEPLOY / one).is_file()] == []
    for secret in tree["secrets"].values():
        assert secret["file"].startswith("./secrets/")
        assert f"{secret['file'].removeprefix('./')}" in text.partition("services:")[0]
    used = {one for service in tree["services"].values() for one in service.get("secrets", [])}
    assert used == set(tree["secrets"])


def test_the_composed_node_is_asked_as_the_image_says():
    service = compose("compose.yaml")["services"]["guard"]
    stage = stages(DOCKERFILE)[-1]
    assert service["build"]["target"] == stage.name
    assert (DEPLOY / service["build"]["context"] / "Dockerfile").samefile(ROOT / "Dockerfile")
    health = service["healthcheck"]
    assert (health["interval"], health["timeout"], health["retries"]) == ("15s", "5s", 3)
    asked = (stage.last("HEALTHCHECK") or "").partition("CMD ")[2]
    assert health["test"] == ["CMD", *words_of(asked)]
    assert any(value.endswith(health["test"][-1]) for value in stage.every("COPY"))


def test_the_gpu_is_an_addition_to_the_same_node():
    tree = compose("compose.gpu.yaml")
    assert list(tree["services"]) == ["guard"]
    service = tree["services"]["guard"]
    assert service["build"]["target"] == "gpu"
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


# ---- the broker


@asynccontextmanager
async def composed_broker(folder: Path) -> AsyncIterator[int]:
    """mosquitto with our files, its paths and port moved to where a test may write."""
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    maker = shutil.which("mosquitto_passwd")
    if binary is None or maker is None:
        pytest.skip("mosquitto is not installed")
    port = free_port()
    text = (DEPLOY / "mosquitto.conf").read_text()
    moved = {
        "listener 1883": f"listener {port}",
        "/run/secrets/mosquitto_passwd": str(folder / "passwords"),
        "/mosquitto/config/mosquitto.acl": str(DEPLOY / "mosquitto.acl"),
        "/mosquitto/data/": f"{folder}/",
    }
    for before, after in moved.items():
        assert before in text
        text = text.replace(before, after)
    (folder / "mosquitto.conf").write_text(f"{text}user root\n")
    for number, user in enumerate(("guard", "watch")):
        create = ["-c"] if number == 0 else []
        making = await asyncio.create_subprocess_exec(
            maker, "-b", *create, str(folder / "passwords"), user, "s3cret", stderr=asyncio.subprocess.DEVNULL
        )
        assert await making.wait() == 0
    broker = await asyncio.create_subprocess_exec(
        binary, "-c", str(folder / "mosquitto.conf"), "-v", stderr=asyncio.subprocess.PIPE
    )
    assert broker.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while b"running" not in (line := await broker.stderr.readline()):
                assert line, "mosquitto ended at once"
        draining = asyncio.create_task(broker.stderr.read())
        yield port
    finally:
        broker.terminate()
        await broker.wait()
    await draining


def at(port: int, user: str | None, password: str = "s3cret") -> MqttSettings:  # noqa: S107 -- of the test's broker
    return MqttSettings.model_validate(
        {"url": f"mqtt://127.0.0.1:{port}", "username": user, "password": password if user else None}
    )


async def tell(settings: MqttSettings, payload: bytes) -> None:
    async with Dialer(settings, None).connect() as connection:
        await connection.deliver(Note("guard/v1/node-1/alert/x", payload, retain=False))


async def test_the_composed_broker_knows_its_users_and_what_they_may(tmp_path: Path):
    async with composed_broker(tmp_path) as port:
        for settings in (at(port, None), at(port, "guard", "wrong")):
            with pytest.raises(DeliveryError, match=r"(?i)not authori[sz]ed|bad user"):
                await tell(settings, b"from a stranger")
        async with watching(at(port, "watch"), "guard/v1/#") as watcher:
            with pytest.raises(DeliveryError, match="grant this node its topics"):
                await tell(at(port, "watch"), b"from who may listen only")
            await tell(at(port, "guard"), b"from the node")
            await watcher.until(lambda: bool(watcher.messages))
        assert [message.payload for message in watcher.messages] == [b"from the node"]


# ---- systemd


def unit() -> list[tuple[str, str]]:
    lines = (DEPLOY / "guard.service").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return [(key, value) for key, _, value in pairs]


def test_the_unit_starts_a_node_with_sound_settings(tmp_path: Path):
    (tmp_path / "token_key").write_text("s" * 48)
    given = [value for key, value in unit() if key == "Environment"]
    environment = dict(one.replace("%d", str(tmp_path)).split("=", 1) for one in given)
    settings = load(ROOT / "configs" / "guard.toml", environment)
    assert settings.web.token_key is not None
    assert str(settings.alerts.outbox_path) == "%S/guard/outbox.sqlite3"
    (start,) = (value for key, value in unit() if key == "ExecStart")
    assert start.split()[1:] == ["serve", "--config", "/etc/guard/guard.toml"]


def test_systemd_understands_the_unit(tmp_path: Path):
    analyse = shutil.which("systemd-analyze")
    if analyse is None:
        pytest.skip("systemd is not installed")
    text = (DEPLOY / "guard.service").read_text()
    copy = tmp_path / "guard.service"
    copy.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", text))
    done = subprocess.run(
        [analyse, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---- the health check


class Health(HTTPServer):
    """Says 200 at /livez while it is well, else 503."""

    well = True


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Health)
        self.send_response(200 if self.path == "/livez" and self.server.well else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(*, well: bool) -> Iterator[int]:
    server = Health(("127.0.0.1", 0), Answer)
    server.well = well
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def livez(**environment: str) -> int:
    done = subprocess.run(
        [sys.executable, "-I", str(DEPLOY / "livez.py")], env=environment, capture_output=True, check=False
    )
    return done.returncode


def test_a_node_that_answers_lives():
    with answering(well=True) as port:
        assert livez(GUARD__WEB__PORT=str(port)) == 0
        assert livez(GUARD_LIVEZ=f"http://127.0.0.1:{port}/livez", http_proxy="http://127.0.0.1:9") == 0


def test_a_node_that_is_ill_or_gone_does_not():
    with answering(well=False) as port:
        assert livez(GUARD__WEB__PORT=str(port)) == 1
    with socket.create_server(("127.0.0.1", 0)) as probe:
        gone = probe.getsockname()[1]
    assert livez(GUARD__WEB__PORT=str(gone)) == 1
