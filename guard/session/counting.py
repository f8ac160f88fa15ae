"""Turns a participant's running totals, and refused joins, into the node's counters."""

from collections.abc import Iterator
from contextlib import contextmanager

from guard.core.errors import CapacityError, SignallingError, UnsupportedCodec
from guard.media.publication import PublicationStats
from guard.session.watchdog import WatchedAnalysis
from guard.telemetry.metrics import Metrics

QUEUES = ("forward", "decode", "decode_audio")
"""Places of ``PublicationStats.dropped`` where a full queue loses units; the others refuse packets."""


@contextmanager
def refusals(metrics: Metrics) -> Iterator[None]:
    """Count a join that ends in a refusal."""
    try:
        yield
    except CapacityError:
        metrics.refused.labels("capacity").inc()
        raise
    except UnsupportedCodec:
        metrics.refused.labels("codec").inc()
        raise
    except SignallingError:
        metrics.refused.labels("offer").inc()
        raise


class Counting:
    """Counts what came since it was last asked, so that totals outlive the participant."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._seen: dict[tuple[str, str], int] = {}

    def take(self, media: PublicationStats, analysis: WatchedAnalysis) -> None:
        """Add the growth of these totals to the counters."""
        for result, total in (
            ("decoded", media.decoded),
            ("decode_failed", media.decode_errors),
            ("judged", analysis.judged),
            ("analysis_failed", analysis.failures),
        ):
            self._metrics.frames.labels(result).inc(self._growth("frames", result, total))
        for where, total in media.dropped.items():
            in_queue = where.partition(".")[0] in QUEUES
            counter = self._metrics.queue_dropped if in_queue else self._metrics.packets_dropped
            counter.labels(where).inc(self._growth("dropped", where, total))
        self._metrics.queue_dropped.labels("analysis").inc(
            self._growth("dropped", "analysis", analysis.dropped)
        )
        self._metrics.keyframe_requests.inc(self._growth("keyframes", "", media.keyframe_requests))

    def _growth(self, kind: str, name: str, total: int) -> int:
        before = self._seen.get((kind, name), 0)
        self._seen[kind, name] = total
        return max(0, total - before)
