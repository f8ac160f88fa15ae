"""The report of ``guard analyse``: one self-contained HTML page, the same bytes in every run."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader

from guard.cli.alert_lines import plain
from guard.cli.analyse import words
from guard.core.errors import EnvironmentProblem
from guard.core.types import Assessment
from guard.core.units import Seconds
from guard.decision.perface import unbroken
from guard.session.findings import INDICATION, FaceFinding, FileFinding, Outcome, Refusal, Stretch
from guard.session.provenance import Provenance

GREY, GRID = "#808080", "rgba(127,127,127,0.2)"
LINES: Final = (
    ("liveness", "#0072b2", "solid", 2),
    ("deepfake", "#d55e00", "dash", 2),
    ("coverage", "#777777", "dot", 1),
)
"""Curves of a plot, by the name of their value; Okabe and Ito's colours, which colour-blind readers tell."""

ALERT, UNJUDGED = "rgba(204,121,167,0.28)", "rgba(127,127,127,0.25)"

LISTED: Final = 12
"""Stretches listed, the longest; the plots show all."""


def write_report(outcomes: Sequence[Outcome], provenance: Provenance, page: Path) -> None:
    """Write the page; raise EnvironmentProblem where the file does not take it."""
    environment = Environment(loader=PackageLoader("guard.cli.analyse"), autoescape=True)
    environment.filters["plain"] = plain
    text = environment.get_template("report.html.j2").render(
        outcomes=outcomes,
        provenance=provenance,
        charts=dict(_charts(outcomes, provenance.thresholds["raise_at"])),
        longest=longest,
        words=words,
        indication=INDICATION,
    )
    try:
        page.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        msg = f"{page}: expected a file to write to, got {error.strerror}; name one in a folder of yours"
        raise EnvironmentProblem(msg) from error


def longest(finding: FileFinding) -> list[Stretch]:
    """The longest stretches that could not be judged, in the order of the file."""
    kept = sorted(finding.stretches, key=lambda one: one.begin - one.end)[:LISTED]
    return sorted(kept, key=lambda one: one.begin)


def _charts(outcomes: Iterable[Outcome], raise_at: float) -> Iterator[tuple[tuple[int, int], str]]:
    """Charts by the file's place and the face; the first carries the script that draws all."""
    first = True
    for place, finding in enumerate(outcomes):
        if isinstance(finding, Refusal):
            continue
        for face in finding.faces:
            if face.headline.liveness is None:  # nothing but the values at which every face begins
                continue
            chart = _timeline(finding, face, raise_at).to_html(
                full_html=False,
                include_plotlyjs=first,
                div_id=f"chart-{place}-{face.face_id}",  # a random one would differ from run to run
                config={"displayModeBar": False, "responsive": True},
            )
            yield (place, face.face_id), chart
            first = False


def _timeline(finding: FileFinding, face: FaceFinding, raise_at: float) -> go.Figure:
    seconds = max(finding.reading.seconds, 1.0)
    figure = go.Figure()
    for name, colour, dash, width in LINES:
        at, values = _line(face.samples, name)
        line = {"color": colour, "dash": dash, "width": width}
        figure.add_scatter(x=at, y=values, name=name, mode="lines", line=line)
    figure.update_layout(
        height=280,
        margin={"l": 40, "r": 10, "t": 60, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(127,127,127,0.08)",
        font={"color": GREY},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis={"title": "seconds", "range": [0, seconds], "gridcolor": GRID},
        yaxis={"range": [-0.02, 1.02], "gridcolor": GRID},
        shapes=[*_shades(finding, face, seconds), *(_threshold(at) for at in (raise_at, 1.0 - raise_at))],
        annotations=[
            _note(f"alert while deepfake is above {raise_at:.2f}", raise_at, "top"),
            _note(f"alert while liveness is below {1.0 - raise_at:.2f}", 1.0 - raise_at, "bottom"),
        ],
    )
    return figure


def _line(samples: Sequence[Assessment], name: str) -> tuple[list[float | None], list[float | None]]:
    """Times and values of a curve that is cut where the face was not followed."""
    at: list[float | None] = []
    values: list[float | None] = []
    for part in unbroken(samples):
        at += [round(one.at, 3) for one in part] + [None]
        values += [round(getattr(one, name), 3) for one in part] + [None]
    return at, values


def _shades(finding: FileFinding, face: FaceFinding, seconds: Seconds) -> Iterator[dict[str, Any]]:
    for stretch in finding.stretches:
        yield _shade(stretch.begin, stretch.end, UNJUDGED)
    for alert in face.alerts:
        yield _shade(alert.raised_at, seconds if alert.cleared_at is None else alert.cleared_at, ALERT)


def _shade(begin: Seconds, end: Seconds, colour: str) -> dict[str, Any]:
    place = {"x0": round(begin, 3), "x1": round(end, 3), "y0": 0, "y1": 1, "yref": "paper"}
    return {"type": "rect", "layer": "below", "line": {"width": 0}, "fillcolor": colour, **place}


def _threshold(at: float) -> dict[str, Any]:
    line = {"color": GREY, "dash": "dot", "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at, "line": line}


def _note(text: str, at: float, anchor: str) -> dict[str, Any]:
    font = {"size": 10, "color": GREY}
    place = {"x": 1.0, "xref": "paper", "xanchor": "right", "y": at, "yanchor": anchor}
    return {"text": text, "showarrow": False, "font": font, **place}
