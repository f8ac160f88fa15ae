"""The reading of simple measures, fitted on other groups."""

import numpy as np
import pytest

from bench.judging.figures import auc_of
from bench.judging.shortcuts import cross_fitted

pytestmark = pytest.mark.unit


def test_a_brightness_shortcut_is_found_on_people_who_were_not_fitted():
    rng = np.random.default_rng(1)
    attack = np.arange(200) % 2 == 0
    rows = rng.normal(0, 1, (200, 5))
    rows[:, 2] += 2.5 * attack
    found, folds = cross_fitted(rows, attack, [str(n) for n in range(200)])
    assert (auc_of(found, attack, folds) or 0) > 0.9


def test_what_only_marks_persons_helps_nothing_on_others():
    rng = np.random.default_rng(2)
    person = np.repeat(np.arange(400), 4)
    attack = rng.permutation(400)[person] % 2 == 0
    rows = rng.normal(0, 1, (400, 6))[person] + rng.normal(0, 0.01, (1600, 6))
    found, folds = cross_fitted(rows, attack, [str(n) for n in person])
    assert 0.35 < (auc_of(found, attack, folds) or 0) < 0.65


def test_one_class_cannot_be_read():
    found, _ = cross_fitted(np.ones((10, 2)), np.zeros(10, bool), [str(n) for n in range(10)])
    assert np.isnan(found).all()


def test_logits_of_different_fits_are_not_compared():
    attack = np.array([False, True, False, True])
    scores, folds = np.array([0.0, 1.0, 10.0, 11.0]), np.array([0, 0, 1, 1])
    assert auc_of(scores, attack, folds) == 1.0
    assert auc_of(scores, attack, np.zeros(4, int)) == 0.75
    assert auc_of(scores, ~attack, folds) == 0.0
    assert auc_of(scores, attack, np.arange(4)) is None
