"""The demo's live table: participants, latency, alerts as they come."""

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from guard.cli.alert_lines import NOT_TOLD
from guard.cli.demo.record import AlertSpan, CallerRecord, Run
from guard.core.types import State

STYLE = {
    State.BONA_FIDE: "green",
    State.SUSPICIOUS: "yellow",
    State.ATTACK: "bold red",
    State.INSUFFICIENT: "dim",
}


def render(run: Run, fps: dict[str, float], total: float) -> RenderableType:
    """The picture of the run at this moment; ``fps`` are the judged frames a second by participant."""
    return Group(
        Text(f"room demo on this machine · {run.seconds:4.1f} of {total:.0f} s", style="bold"),
        _participants(run, fps),
        _latency(run),
        _alerts(run),
    )


def _participants(run: Run, fps: dict[str, float]) -> Table:
    # 80 columns hold all of it; a clip with a long name takes more lines
    table = Table(expand=True, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("participant", overflow="fold")
    table.add_column("state", no_wrap=True)
    for title in ("liveness", "deepfake", "judged", "fps", "relayed"):
        table.add_column(title, justify="right", no_wrap=True)
    for caller in run.callers:
        table.add_row(*_row(caller, fps.get(caller.id, 0.0)))
    return table


def _row(caller: CallerRecord, fps: float) -> tuple[RenderableType, ...]:
    if not caller.samples:
        return (Text(caller.title), Text("joining", style="dim"), "", "", "", "", str(caller.received_frames))
    last = caller.samples[-1]
    return (
        Text(caller.title),
        Text(last.state.replace("_", " "), style=STYLE[last.state]),
        _bar(last.liveness),
        _bar(last.deepfake),
        f"{last.coverage:.0%}",
        f"{fps:.1f}",
        f"{caller.received_frames}",
    )


def _bar(value: float | None, cells: int = 4) -> str:
    return NOT_TOLD if value is None else f"{'█' * round(value * cells):<{cells}} {value:.2f}"


def _latency(run: Run) -> RenderableType:
    text = " · ".join(
        f"{stage.replace('_', ' ')} {times['p50']:.1f}/{times['p95']:.1f}"
        for stage, times in run.latency_ms.items()
    )
    return Text(f"latency p50/p95 ms: {text or 'measuring'}", style="dim")


def _alerts(run: Run) -> Panel:
    titles = {caller.id: caller.title for caller in run.callers}
    lines = [
        _alert_line(alert, titles.get(alert.participant, alert.participant)) for alert in run.alerts[-6:]
    ]
    return Panel(
        Group(*lines) if lines else Text("none yet", style="dim"), title="alerts, as they came over MQTT"
    )


def _alert_line(alert: AlertSpan, title: str) -> Text:
    style = "bold red" if alert.cleared_at is None else "green"
    cleared = "" if alert.cleared_at is None else f", cleared {alert.cleared_at:.1f} s"
    return Text(
        f"{alert.raised_at:5.1f} s  {title}: {alert.family}, severity {alert.severity}{cleared}", style=style
    )
