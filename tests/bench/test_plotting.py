"""The ladder's axis holds whatever is drawn on it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.judging.plotting import BOTTOM, COLOURS, HEIGHT, TOP, Axes, Curve, Point, figure, lowest, write_png
from guard.core.errors import EnvironmentProblem

pytestmark = pytest.mark.unit


def curve(*values: float) -> Curve:
    points = tuple(Point(f"{value}", value, value - 0.05, value + 0.05) for value in values)
    return Curve("net", "codec", points)


def test_chance_is_in_sight_and_what_lies_below_it_too():
    assert lowest([curve(0.9, 0.8)]) == 0.4
    assert lowest([curve(0.9), curve(0.23)]) == pytest.approx(0.1)
    assert lowest([curve(0.02)]) <= -0.03
    assert lowest([]) == 0.4


def test_the_axis_reaches_from_the_lowest_to_one():
    axes = Axes(0, 100, 0.1)
    assert (axes.height(1.0), axes.height(0.1)) == (TOP, HEIGHT - BOTTOM)
    assert axes.height(0.2) < axes.height(0.1)


def test_a_poor_value_is_drawn_below_a_better_poor_one(tmp_path: Path):
    write_png([curve(0.35, 0.12)], "a ladder", tmp_path / "ladder.png")
    picture = cv2.imread(str(tmp_path / "ladder.png"))
    assert picture is not None
    blue = tuple(bytes.fromhex(COLOURS[0][1:]))[::-1]
    rows, columns = np.nonzero((picture[TOP:] == blue).all(axis=2))
    left, right = rows[columns < columns.mean()], rows[columns > columns.mean()]
    assert left.mean() + 50 < right.mean()


def test_the_page_has_the_same_axis():
    drawn = [curve(0.35, 0.12)]
    assert figure(drawn, "a ladder").layout.yaxis.range[0] == lowest(drawn)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(EnvironmentProblem, match=r"gone.*a folder of yours"):
        write_png([curve(0.8)], "a ladder", tmp_path / "gone" / "ladder.png")
