"""Boxes: sides, squares, clipping and overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.geometry import Box, bounding_box

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
