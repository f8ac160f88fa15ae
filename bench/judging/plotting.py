"""The ladder as a picture: AUC over codec and face size, with intervals; in HTML and in PNG."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bench.judging.coding import RUNGS
from bench.judging.judge import Judged, Setting
from bench.judging.summary import Scored
from bench.judging.tables import SIMPLE
from guard.core.errors import EnvironmentProblem

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#777777")
"""Okabe and Ito's, which colour-blind readers tell."""

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 1160, 620, 80, 110, 30, 80
GAP_PX = 70
LOWEST = 0.4
"""Where the axis begins, so that chance is in sight, unless the values or their intervals reach below."""


@dataclass(frozen=True, slots=True)
class Point:
    """AUC at one step, and its interval."""

    label: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One judge over the steps of one panel."""

    name: str
    panel: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Axes:
    """Where a panel of the PNG lies, px across, and which share its foot is; its head is 1."""

    left: int
    right: int
    low: float

    def height(self, share: float) -> int:
        """The row of a share, px."""
        return round(TOP + (1 - (share - self.low) / (1 - self.low)) * (HEIGHT - TOP - BOTTOM))


def curves(
    runs: Mapping[Setting, Sequence[Judged]], engines: Sequence[str], at: tuple[str, int]
) -> list[Curve]:
    """AUC over codecs at one size, and over sizes through one codec."""
    codec, face_px = at
    coded = [one for one in runs if RUNGS[one.codec] is None or one.face_px == face_px]
    sized = sorted((one for one in runs if one.codec == codec), key=lambda one: one.face_px)
    panels = (
        (f"codec, faces of {face_px} px", [(one.codec, one) for one in coded]),
        (f"face size through {codec}", [(f"{one.face_px} px", one) for one in sized]),
    )
    found = []
    for panel, steps in panels:
        for name in (*engines, SIMPLE):
            points = tuple(point for label, one in steps for point in _points(label, runs[one], name))
            if points:
                found.append(Curve(name, panel, points))
    return found


def _points(label: str, judged: Sequence[Judged], name: str) -> Iterator[Point]:
    scored = Scored.by_shortcuts(judged) if name == SIMPLE else Scored.by_engine(judged, name)
    value = scored.auc()
    if value is not None:
        low, high = scored.interval() or (value, value)
        yield Point(label, value, low, high)


def lowest(drawn: Sequence[Curve]) -> float:
    """The tenth at which the axis of AUC begins."""
    below = min((point.low for curve in drawn for point in curve.points), default=LOWEST)
    return min(LOWEST, floor(10 * below) / 10)


def figure(drawn: Sequence[Curve], title: str) -> go.Figure:
    """Both panels side by side."""
    panels = list(dict.fromkeys(curve.panel for curve in drawn))
    made = go.Figure()
    names = list(dict.fromkeys(curve.name for curve in drawn))
    for curve in drawn:
        place = panels.index(curve.panel)
        axis = "" if place == 0 else str(place + 1)
        value = [point.value for point in curve.points]
        made.add_scatter(
            x=[point.label for point in curve.points],
            y=value,
            name=curve.name,
            legendgroup=curve.name,
            showlegend=place == 0,
            xaxis=f"x{axis}",
            yaxis=f"y{axis}",
            line={"color": _colour(names.index(curve.name))},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [point.high - point.value for point in curve.points],
                "arrayminus": [point.value - point.low for point in curve.points],
            },
        )
    share = 1 / max(len(panels), 1)
    for place, panel in enumerate(panels):
        axis = "" if place == 0 else str(place + 1)
        domain = [place * share, (place + 1) * share - (0.06 if place + 1 < len(panels) else 0)]
        labels = {"title": panel, "domain": domain, "anchor": f"y{axis}", "type": "category"}
        scale = {"range": [lowest(drawn), 1.01], "title": "AUC", "anchor": f"x{axis}"}
        made.update_layout({f"xaxis{axis}": labels, f"yaxis{axis}": scale})
    made.update_layout(title=title, height=480)
    return made


def write_png(drawn: Sequence[Curve], title: str, path: Path) -> None:
    """The same drawn in pixels; raise EnvironmentProblem where the file cannot be written."""
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    _text(canvas, title, (LEFT, 36), 0.75)
    names = list(dict.fromkeys(curve.name for curve in drawn))
    _legend(canvas, names)
    panels = list(dict.fromkeys(curve.panel for curve in drawn))
    width = (WIDTH - LEFT - RIGHT - GAP_PX * (len(panels) - 1)) // max(len(panels), 1)
    for place, panel in enumerate(panels):
        left = LEFT + place * (width + GAP_PX)
        inside = [curve for curve in drawn if curve.panel == panel]
        _panel(canvas, Axes(left, left + width, lowest(drawn)), panel, inside, names)
    coded, png = cv2.imencode(".png", canvas)
    if not coded:
        msg = f"{path}: expected OpenCV to write PNG, it did not"
        raise EnvironmentProblem(msg)
    try:
        path.write_bytes(png.tobytes())
    except OSError as error:
        msg = f"{path}: expected a file to write to, got {error.strerror}; name one in a folder of yours"
        raise EnvironmentProblem(msg) from error


def _panel(
    canvas: NDArray[np.uint8],
    axes: Axes,
    title: str,
    drawn: Sequence[Curve],
    names: Sequence[str],
) -> None:
    left, right = axes.left, axes.right
    for share in np.arange(axes.low, 1.001, 0.1):
        y = axes.height(share)
        cv2.line(canvas, (left, y), (right, y), (225, 225, 225), 1)
        _text(canvas, f"{share:.1f}", (left - 40, y + 5), 0.48)
    chance = axes.height(0.5)
    cv2.line(canvas, (left, chance), (right, chance), (150, 150, 150), 1)
    labels = list(dict.fromkeys(point.label for curve in drawn for point in curve.points))
    step = (right - left) / max(len(labels), 1)
    middles = {label: round(left + step * (place + 0.5)) for place, label in enumerate(labels)}
    for label, x in middles.items():
        _text(canvas, label, (x - 4 * len(label), HEIGHT - BOTTOM + 24), 0.48)
    _text(canvas, f"AUC over {title}", (left, HEIGHT - BOTTOM + 54), 0.55)
    for curve in drawn:
        number = names.index(curve.name)
        aside = round(8 * (number - (len(names) - 1) / 2))  # so that intervals stand beside each other
        _curve(canvas, axes, curve, {label: x + aside for label, x in middles.items()}, _bgr(number))


def _curve(
    canvas: NDArray[np.uint8],
    axes: Axes,
    curve: Curve,
    places: Mapping[str, int],
    colour: tuple[int, int, int],
) -> None:
    path = [(places[point.label], axes.height(point.value)) for point in curve.points]
    line = np.array(path, np.int32).reshape(-1, 1, 2)
    cv2.polylines(canvas, [line], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
    for (x, y), point in zip(path, curve.points, strict=True):
        cv2.line(canvas, (x, axes.height(point.low)), (x, axes.height(point.high)), colour, 1, cv2.LINE_AA)
        cv2.circle(canvas, (x, y), 5, colour, cv2.FILLED, cv2.LINE_AA)


def _legend(canvas: NDArray[np.uint8], names: Sequence[str]) -> None:
    x = LEFT
    for number, name in enumerate(names):
        cv2.circle(canvas, (x + 6, 70), 6, _bgr(number), cv2.FILLED, cv2.LINE_AA)
        _text(canvas, name, (x + 20, 75), 0.55)
        x += 50 + 11 * len(name)


def _text(canvas: NDArray[np.uint8], text: str, at: tuple[int, int], size: float) -> None:
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(canvas, plain, at, cv2.FONT_HERSHEY_SIMPLEX, size, (40, 40, 40), 1, cv2.LINE_AA)


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _bgr(number: int) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(_colour(number)[1:])
    return blue, green, red
