"""Boxes: sides, squares, clipping and overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.geometry import Box, bounding_box, even_size

pytestmark = pytest.mark.unit

boxes = st.tuples(*[st.integers(-50, 50)] * 4).map(
    lambda c: Box(min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)


def test_sides_middle_and_square():
    box = Box(10, 20, 30, 60)
    assert (box.width, box.height, box.size, box.centre) == (20, 40, 40, (20, 40))
    assert box.square(1.5) == Box(-10, 10, 50, 70)


def test_box_turned_inside_out_has_no_size():
    assert Box(10, 10, 5, 5).size == 0


def test_bounding_box_of_points_ignores_depth():
    points = np.array([[1, 5, 100], [3, 2, -100]], np.float32)
    assert bounding_box(points) == Box(1, 2, 3, 5)


def test_overlap_of_halves_is_a_third():
    assert Box(0, 0, 2, 1).overlap(Box(1, 0, 3, 1)) == pytest.approx(1 / 3)


def test_boxes_apart_or_empty_do_not_overlap():
    assert Box(0, 0, 1, 1).overlap(Box(2, 2, 3, 3)) == 0
    assert Box(0, 0, 0, 0).overlap(Box(0, 0, 0, 0)) == 0


@given(boxes, boxes)
def test_overlap_is_a_share_and_the_same_both_ways(one: Box, other: Box):
    assert 0 <= one.overlap(other) <= 1
    assert one.overlap(other) == other.overlap(one)
    assert one.overlap(one) == (1 if one.width and one.height else 0)


@given(boxes)
def test_clipped_box_lies_in_the_picture(box: Box):
    clipped = box.clipped(20, 10)
    assert 0 <= clipped.x1 <= clipped.x2 <= 20
    assert 0 <= clipped.y1 <= clipped.y2 <= 10


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        (Box(40, 40, 50, 60), Box(35, 30, 55, 70)),
        (Box(0, 40, 10, 60), Box(0, 30, 20, 70)),
        (Box(95, 85, 99, 99), Box(92, 72, 100, 100)),
        (Box(10, 20, 50, 100), Box(5, 0, 55, 100)),
        (Box(-20, 0, 180, 100), Box(0, 25, 100, 75)),
    ],
)
def test_a_grown_box_is_moved_inside_and_keeps_its_shape(box: Box, inside: Box):
    assert box.grown_inside(2.0, 100, 100) == pytest.approx(inside)


@given(boxes)
def test_a_grown_box_lies_in_the_picture(box: Box):
    x1, y1, x2, y2 = box.grown_inside(4.0, 640, 360)
    assert -1e-6 <= x1 <= x2 <= 640 + 1e-6
    assert -1e-6 <= y1 <= y2 <= 360 + 1e-6


@pytest.mark.parametrize(
    ("size", "enlarge", "made"),
    [
        ((640, 360), False, (640, 360)),
        ((1920, 1080), False, (640, 360)),
        ((320, 180), False, (320, 180)),
        ((320, 180), True, (640, 360)),
        ((361, 641), False, (360, 638)),
        ((65, 47), False, (64, 46)),
        ((640 * 7, 360 * 7), False, (640, 360)),
        ((1, 1), False, (2, 2)),
    ],
)
def test_an_even_size_keeps_the_shape(size: tuple[int, int], enlarge: bool, made: tuple[int, int]):  # noqa: FBT001 -- a parameter of the test
    assert even_size(*size, 640 * 360, enlarge=enlarge) == made
