"""The demo's report: one self-contained HTML page and summary.json."""

import json
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader

from guard.cli.demo.record import AlertSpan, CallerRecord, Run

LIVENESS, DEEPFAKE, ALERT = "#0072b2", "#d55e00", "rgba(204,121,167,0.28)"
"""Okabe and Ito's colours, told apart by colour-blind readers."""


def write_report(run: Run, folder: Path) -> tuple[Path, Path]:
    """Write ``report.html`` and ``summary.json``; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = folder / "summary.json"
    summary.write_text(json.dumps(run.summary(), indent=2) + "\n", encoding="utf-8")
    page = folder / "report.html"
    page.write_text(_page(run), encoding="utf-8")
    return page, summary


def _page(run: Run) -> str:
    environment = Environment(loader=PackageLoader("guard.cli.demo"), autoescape=True)
    charts = [
        _timeline(run, caller).to_html(
            full_html=False, include_plotlyjs=index == 0, config={"displayModeBar": False, "responsive": True}
        )
        for index, caller in enumerate(run.callers)
    ]
    return environment.get_template("report.html.j2").render(
        run=run,
        summary=run.summary(),
        charts=charts,
        verdicts=[run.verdict(caller) for caller in run.callers],
        titles={caller.id: caller.title for caller in run.callers},
    )


def _timeline(run: Run, caller: CallerRecord) -> go.Figure:
    figure = go.Figure()
    at = [sample.at for sample in caller.samples]
    for name, colour, dash, values in (
        ("liveness", LIVENESS, "solid", [sample.liveness for sample in caller.samples]),
        ("deepfake", DEEPFAKE, "dash", [sample.deepfake for sample in caller.samples]),
    ):
        figure.add_scatter(
            x=at, y=values, name=name, mode="lines", line={"color": colour, "dash": dash, "width": 2}
        )
    figure.add_scatter(
        x=at,
        y=[sample.coverage for sample in caller.samples],
        name="coverage",
        mode="lines",
        line={"color": "#777777", "dash": "dot", "width": 1},
    )
    for alert in run.alerts_of(caller):
        _shade(figure, alert, run.seconds)
    if caller.attack_span:
        _mark_attack(figure, caller.attack_span)
    figure.update_layout(
        height=280,
        margin={"l": 40, "r": 10, "t": 60, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(127,127,127,0.08)",
        font={"color": "#808080"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis={"title": "seconds", "range": [0, max(run.seconds, 1)], "gridcolor": "rgba(127,127,127,0.2)"},
        yaxis={"range": [-0.02, 1.02], "gridcolor": "rgba(127,127,127,0.2)"},
    )
    return figure


def _shade(figure: go.Figure, alert: AlertSpan, end: float) -> None:
    figure.add_vrect(
        x0=alert.raised_at,
        x1=alert.cleared_at if alert.cleared_at is not None else end,
        fillcolor=ALERT,
        line_width=0,
        annotation_text=f"alert: {alert.family}",
        annotation_position="bottom left",
    )


def _mark_attack(figure: go.Figure, span: tuple[float, float]) -> None:
    for at, text in zip(span, ("swap on", "swap off"), strict=True):
        figure.add_vline(x=at, line={"color": "#808080", "dash": "dash", "width": 1}, annotation_text=text)
