"""A demo run made by hand."""

from guard.cli.demo.record import AlertSpan, CallerRecord, Run, Sample
from guard.core.types import Family, State


def caller(number: int, title: str, state: State | None = State.BONA_FIDE) -> CallerRecord:
    """A caller with one sample of this state; None: nothing was judged yet."""
    liveness, deepfake = (None, None) if state is State.INSUFFICIENT else (0.93, 0.07)
    samples = [] if state is None else [Sample(1.0, liveness, deepfake, state, 1.0)]
    return CallerRecord(f"p{number}", title, "bona_fide", samples=samples, received_frames=1234)


def finished_run() -> Run:
    """Callers in every state, a clip whose name looks like markup, and alerts open and cleared."""
    callers = [
        caller(1, "talking person"),
        caller(2, "photo in the hand", State.ATTACK),
        caller(3, "live face swap", State.SUSPICIOUS),
        caller(4, "me[red]<b> with a long name.mp4", State.INSUFFICIENT),
        caller(5, "late", None),
    ]
    text = "Suspected presentation attack"
    alerts = [
        AlertSpan("a1", "p2", Family.PRESENTATION, 4, text, 7.3),
        AlertSpan("a2", "p4", Family.MANIPULATION, 3, text, 15.1, 33.4),
    ]
    stages = ("relay", "decoded", "tracked", "scored", "decided", "published", "total", "alert_to_mqtt")
    latency = {stage: {"p50": 12.34, "p95": 123.45} for stage in stages}
    return Run(callers, alerts, latency, seconds=38.2, total_seconds=44.0)
