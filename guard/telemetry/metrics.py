"""Prometheus metrics of one node, in a registry of their own; base units, no label that grows with rooms."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from guard.telemetry.stamps import TOTAL, Stage, Stamps

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Content type of what ``Metrics.render`` gives."""

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the latency histograms, seconds."""


class Metrics:
    """Everything a node counts; made once and handed to those who count."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = self._gauge("calls", "Rooms with at least one publisher.")
        self.participants = self._gauge("participants", "Publishers connected.")
        self.subscribers = self._gauge("subscribers", "Subscribers connected.")
        self.frames = self._counter("frames", "Pictures by what became of them.", "result")
        self.packets_dropped = self._counter("packets_dropped", "RTP packets dropped.", "reason")
        self.queue_dropped = self._counter("queue_dropped", "Items that a full queue lost.", "queue")
        self.keyframe_requests = self._counter("keyframe_requests", "Keyframes asked of publishers.")
        self.alerts = self._counter("alerts", "Edges of alerts.", "family", "edge")
        self.analysis_restarts = self._counter("analysis_restarts", "Analyses that died or hung.")
        self.degraded_participants = self._gauge("degraded_participants", "Publishers no longer analysed.")
        self.task_crashes = self._counter("task_crashes", "Supervised tasks that crashed.", "task")
        self.connections_cut = self._counter(
            "http_connections_cut", "HTTP connections refused or cut.", "reason"
        )
        self.refused = self._counter("refused", "Joins refused.", "reason")
        self.listeners = self._gauge("listeners", "Live event streams open.")
        self.abandoned_threads = self._gauge(
            "abandoned_threads", "Analysis threads that hang and were left behind."
        )
        self.outbox_pending = self._gauge("outbox_pending", "Alerts that wait for the broker.")
        self.broker_connected = self._gauge("broker_connected", "1 while the broker is there.")
        self.frame_to_score = self._seconds("frame_to_score", "From a frame's last packet to its scores.")
        self.stage = self._seconds("stage", "Time to reach a stage from the one before it.", "stage")

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"guard_{name}", meaning, registry=self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"guard_{name}_total", meaning, labels, registry=self.registry)

    def _seconds(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(f"guard_{name}_seconds", meaning, labels, buckets=BUCKETS, registry=self.registry)

    def observe(self, stamps: Stamps) -> None:
        """Take in the journey of one frame."""
        for stage, spent in stamps.durations().items():
            if stage != TOTAL:
                self.stage.labels(stage).observe(spent)
        to_score = stamps.since_arrival(Stage.SCORED)
        if to_score is not None:
            self.frame_to_score.observe(to_score)

    def count_crash(self, task: str, _error: Exception) -> None:
        """Count a crashed task; fits ``flow.Tasks(on_crash=...)``."""
        self.task_crashes.labels(task).inc()

    def count_cut(self, reason: str) -> None:
        """Count a connection that was refused or cut; fits ``web.server.HttpServer(on_cut=...)``."""
        self.connections_cut.labels(reason).inc()

    def render(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
