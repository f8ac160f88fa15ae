"""Runs the demo and records what comes back over MQTT."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import datetime

from guard.alerts.desk import StatePayload
from guard.alerts.lifecycle import AlertKind, CloseReason
from guard.alerts.message import AlertMessage, parse
from guard.alerts.mqtt import BrokerMessage, watch
from guard.alerts.topics import Topics
from guard.cli.clock import wall
from guard.cli.demo.record import AlertSpan, Run, Sample
from guard.cli.demo.scene import Options, Scene, Stopwatch, stage
from guard.core.units import Seconds
from guard.telemetry.stamps import percentile

REFRESH: Seconds = 0.25
SUBSCRIBED_WITHIN: Seconds = 5.0

Show = Callable[[Run, dict[str, float]], None]


class Recorder:
    """Turns messages of the broker into the run's record."""

    def __init__(self, run: Run, stopwatch: Stopwatch) -> None:
        self._run = run
        self._stopwatch = stopwatch
        self._seen: set[str] = set()
        self._callers = {caller.id: caller for caller in run.callers}
        self.delivery_ms: deque[float] = deque(maxlen=1024)

    def take(self, message: BrokerMessage, now: datetime) -> None:
        """Note one message about a caller of this run; what was sent twice counts once."""
        if not message.payload:
            return
        if "/alert/" in message.topic:
            alert = parse(message.payload)
            if alert.participant_id in self._callers and alert.message_id not in self._seen:
                self._seen.add(alert.message_id)
                self.delivery_ms.append((now - alert.at).total_seconds() * 1e3)
                self._take_alert(alert)
        elif message.topic.endswith("/score"):
            self._take_score(StatePayload.model_validate_json(message.payload))

    def _take_score(self, score: StatePayload) -> None:
        caller = self._callers.get(score.participant_id)
        if caller is not None and self._stopwatch.seconds > 0:
            caller.samples.append(
                Sample(self._stopwatch.seconds, score.liveness, score.deepfake, score.state, score.coverage)
            )

    def _take_alert(self, alert: AlertMessage) -> None:
        at = self._stopwatch.seconds
        span = next((one for one in self._run.alerts if one.id == alert.alert_id), None)
        if span is None:
            span = AlertSpan(
                alert.alert_id, alert.participant_id, alert.family, alert.severity, alert.text, at
            )
            self._run.alerts.append(span)
        if alert.severity > span.severity:  # the last words before a clear have no cue left to name
            span.severity, span.message = alert.severity, alert.text
        if alert.kind is AlertKind.CLEARED:
            reason = alert.envelope.data.status_detail
            span.cleared_at, span.closed_by = at, None if reason == CloseReason.CLEARED else reason
        else:
            # an alert that is raised again within a minute keeps its id
            span.cleared_at = None


async def play(
    options: Options,
    say: Callable[[str], None],
    show: Show,
    after: Callable[[Run, Scene], None] | None = None,
) -> Run:
    """Run the demo to its end; with ``after`` call that and stay up until cancelled."""
    stopwatch = Stopwatch()
    async with stage(options, stopwatch, say) as scene:
        run = Run(scene.callers, notes=_notes(options), weight_terms=scene.node.weight_terms())
        recorder = Recorder(run, stopwatch)
        ready = asyncio.Event()
        listening = asyncio.create_task(_listen(scene, recorder, ready), name="listen")
        try:
            async with asyncio.timeout(SUBSCRIBED_WITHIN):
                await ready.wait()
            stopwatch.start()
            while stopwatch.seconds < options.seconds:
                _update(run, scene, recorder, stopwatch, show)
                await asyncio.sleep(REFRESH)
            _update(run, scene, recorder, stopwatch, show)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
        if after is not None:
            after(run, scene)
            await asyncio.Event().wait()
    return run


async def _listen(scene: Scene, recorder: Recorder, ready: asyncio.Event) -> None:
    prefix = Topics(scene.mqtt.node).prefix
    async with aclosing(
        watch(scene.mqtt, [f"{prefix}/alert/+", f"{prefix}/session/+/p/+/score"], on_ready=ready.set)
    ) as messages:
        async for message in messages:
            recorder.take(message, wall())


def _update(run: Run, scene: Scene, recorder: Recorder, stopwatch: Stopwatch, show: Show) -> None:
    run.seconds = stopwatch.seconds
    scene.watch_callers()
    people = [status for room in scene.node.rooms() for status in room.participants]
    relayed = [status.media.forward_ms for status in people if status.media.forward_ms]
    if relayed:
        run.latency_ms["relay"] = _rounded(max(p50 for p50, _ in relayed), max(p95 for _, p95 in relayed))
    for stage_name, times in scene.node.stages().items():
        run.latency_ms[stage_name] = _rounded(times.p50, times.p95)
    if recorder.delivery_ms:
        delivered = sorted(recorder.delivery_ms)
        run.latency_ms["alert_to_mqtt"] = _rounded(percentile(delivered, 0.5), percentile(delivered, 0.95))
    show(run, {status.id: status.judged_fps for status in people})


def _rounded(p50: float, p95: float) -> dict[str, float]:
    return {"p50": round(p50, 2), "p95": round(p95, 2)}


def _notes(options: Options) -> list[str]:
    notes = ["The photo and the swap are simulated (variants photo-in-hand:test and face-swap:test)."]
    if options.bona_fide is None:
        notes.append("The talking person's clip is 4 s of 176x144, so the face measures about 60 px in it.")
    return notes
