"""Figures of merit against brute force, closed forms and known values."""

import numpy as np
import pytest

from bench.judging.figures import (
    Rate,
    apcer,
    auc,
    auc_interval,
    auc_of,
    bootstrap,
    bpcer,
    equal_error_rate,
    threshold_at,
    tpr_at_fpr,
    weighted_auc,
    wilson,
)

pytestmark = pytest.mark.unit


def scores(seed: int, count: int, shift: float = 0.0) -> np.ndarray:
    """With many ties, as saturated probabilities have."""
    return np.random.default_rng(seed).normal(shift, 1, count).round(1)


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs_in_order_with_ties_for_half(seed: int):
    bona_fide, attack = scores(seed, 23), scores(seed + 100, 17, 0.7)
    pairs = [(a > b) + 0.5 * (a == b) for a in attack for b in bona_fide]
    assert auc(bona_fide, attack) == pytest.approx(np.mean(pairs))


def test_auc_of_one_class_is_unknown():
    assert auc(np.array([]), np.array([0.5])) is None
    assert equal_error_rate(np.array([0.5]), np.array([])) is None
    assert tpr_at_fpr(np.array([]), np.array([1.0])) is None


def test_equal_error_rate_of_a_known_overlap():
    bona_fide, attack = np.arange(10) / 10, np.arange(10) / 10 + 0.75
    assert equal_error_rate(bona_fide, attack) == pytest.approx(0.1)  # at 0.85, one of ten on either side
    assert equal_error_rate(bona_fide, bona_fide + 2) == 0.0
    assert equal_error_rate(bona_fide + 2, bona_fide) == 1.0


def test_equal_error_rate_of_two_normals_one_apart():
    rng = np.random.default_rng(1)
    found = equal_error_rate(rng.normal(0, 1, 40_000), rng.normal(1, 1, 40_000))
    assert found == pytest.approx(0.3085, abs=0.005)  # the normal distribution at -1/2


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(4))
def test_no_lower_threshold_keeps_the_allowed_share(seed: int, share: float):
    bona_fide, attack = scores(seed, 40), scores(seed + 9, 40, 1.0)
    at = threshold_at(bona_fide, share)
    assert (bona_fide >= at).mean() <= share
    candidates = np.concatenate([bona_fide, attack, np.nextafter(bona_fide, np.inf)])
    best = max((attack >= one).mean() for one in candidates if (bona_fide >= one).mean() <= share)
    assert (attack >= at).mean() == best
    assert tpr_at_fpr(bona_fide, attack, share) == best


def test_errors_are_counted_on_their_own_side_of_the_threshold():
    values = np.array([0.1, 0.5, 0.9])
    assert bpcer(values, 0.5) == Rate(2, 3)
    assert apcer(values, 0.5) == Rate(1, 3)
    assert Rate(0, 0).value is None


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 100, 0.0018, 0.0545)],
)
def test_wilson_gives_published_intervals(hits: int, count: int, low: float, high: float):
    assert wilson(hits, count) == pytest.approx((low, high), abs=1e-4)


def test_wilson_of_nothing_is_everything():
    assert wilson(0, 0) == (0.0, 1.0)


def test_bootstrap_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(3).normal(0, 1, 400)
    found = bootstrap([str(n) for n in range(400)], lambda w: float(w @ values / w.sum()), rounds=2000)
    assert found is not None
    assert found[1] - found[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_people_who_appear_often_make_the_interval_wider():
    rng = np.random.default_rng(5)
    person = np.repeat(np.arange(12), 20)
    attack = person % 2 == 0
    values = rng.normal(0, 1, 12)[person] + attack + rng.normal(0, 0.2, 240)
    alone = auc_interval(values, attack, [str(n) for n in range(240)])
    together = auc_interval(values, attack, [str(n) for n in person])
    assert alone is not None
    assert together is not None
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])


def test_the_weighted_auc_of_every_group_once_is_the_auc():
    bona_fide, attack = scores(1, 30), scores(2, 30, 0.5)
    values = np.concatenate([bona_fide, attack])
    labels = np.arange(60) >= 30
    order = np.random.default_rng(3).permutation(60)
    found = weighted_auc(values[order], labels[order])(np.ones(60))
    assert found == pytest.approx(auc(bona_fide, attack))
    twice = np.where(values[order] > 0.5, 2.0, 1.0)
    again = np.repeat(order, twice.astype(int))
    expected = auc(values[again][~labels[again]], values[again][labels[again]])
    assert weighted_auc(values[order], labels[order])(twice) == pytest.approx(expected)


def test_one_group_or_a_class_in_one_group_gives_no_interval():
    values, labels = np.array([0.1, 0.2, 0.9]), np.array([False, False, True])
    assert auc_interval(values, labels, ["a", "a", "a"]) is None
    assert auc_interval(values, labels, ["a", "b", "c"]) is None  # a third of the draws lack the attack


def test_the_same_seed_gives_the_same_interval():
    values, labels = scores(1, 50), np.arange(50) % 2 == 0
    groups = [str(n // 2) for n in range(50)]
    assert auc_interval(values, labels, groups, seed=4) == auc_interval(values, labels, groups, seed=4)
    assert auc_interval(values, labels, groups, seed=4) != auc_interval(values, labels, groups, seed=5)


def test_logits_of_different_fits_are_not_compared():
    attack = np.array([False, True, False, True])
    scores, folds = np.array([0.0, 1.0, 10.0, 11.0]), np.array([0, 0, 1, 1])
    assert auc_of(scores, attack, folds) == 1.0
    assert auc_of(scores, attack, np.zeros(4, int)) == 0.75
    assert auc_of(scores, ~attack, folds) == 0.0
    assert auc_of(scores, attack, np.arange(4)) is None
