"""AUROC by group: against loops over pairs, scikit-learn, and laws of labellings."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lvae.metrics import grouped_auroc as measure


def scores(seed, groups, each, shift=0.0, between=0.0):
    """Normal scores, whole numbers of tenths so that some tie; a deviation between groups."""
    random = np.random.default_rng(seed)
    values = random.normal(shift, 1, groups * each)
    values += np.repeat(between * random.standard_normal(groups), each)
    return np.round(values, 1), np.repeat(np.arange(groups), each)


def test_concordance_equals_loops_over_pairs():
    first, first_groups = scores(0, 3, 5, 0.3)
    second, second_groups = scores(1, 4, 6)
    result = measure.concordance(first, second, first_groups, second_groups)
    for row, column in itertools.product(range(3), range(4)):
        pairs = [
            1.0 if a > b else 0.5 if a == b else 0.0
            for a in first[first_groups == row]
            for b in second[second_groups == column]
        ]
        assert result.chance[row, column] == pytest.approx(np.mean(pairs), abs=1e-12)
    assert result.first_sizes.tolist() == [5, 5, 5]
    assert result.second_sizes.tolist() == [6, 6, 6, 6]


def test_groups_of_one_size_give_the_plain_auroc():
    first, first_groups = scores(2, 5, 8, 0.5)
    second, second_groups = scores(3, 4, 7)
    labels = np.repeat([1, 0], [len(first), len(second)])
    plain = roc_auc_score(labels, np.concatenate([first, second]))
    result = measure.grouped_auroc(first, second, first_groups, second_groups)
    assert result.value == pytest.approx(plain, abs=1e-12)
    assert result.low < plain < result.high


def test_a_large_group_counts_no_more_than_a_small_one():
    first, groups = np.array([1.0] * 99 + [-1.0]), np.array([0] * 99 + [1])
    result = measure.grouped_auroc(first, np.zeros(2), groups, np.arange(2))
    assert result.value == 0.5


def test_interval_equals_a_plain_bootstrap_of_groups():
    first, first_groups = scores(4, 6, 5, 0.4, 0.5)
    second, second_groups = scores(5, 5, 5, 0, 0.5)
    draws = 4000
    result = measure.grouped_auroc(first, second, first_groups, second_groups, draws)
    random, values = np.random.default_rng(77), []
    for _ in range(draws):
        ones = [first[first_groups == g] for g in random.integers(0, 6, 6)]
        others = [second[second_groups == g] for g in random.integers(0, 5, 5)]
        ones, others = np.concatenate(ones), np.concatenate(others)
        values.append(np.mean(ones[:, None] > others) + 0.5 * np.mean(ones[:, None] == others))
    low, high = np.percentile(values, [2.5, 97.5])
    # A 2.5 % quantile of d draws: sqrt(0.025 * 0.975 / d) / density, density at 2 deviations
    # 0.054 / deviation: 0.046 deviations each; four standard errors of the difference of two.
    tolerance = 4 * np.sqrt(2) * 0.046 * np.std(values)
    assert result.low == pytest.approx(low, abs=tolerance)
    assert result.high == pytest.approx(high, abs=tolerance)


def test_near_copies_within_groups_do_not_narrow_the_interval():
    once, groups = scores(6, 8, 1)
    other, other_groups = scores(7, 8, 1)
    few = measure.grouped_auroc(once, other, groups, other_groups)
    many = measure.grouped_auroc(
        *(np.repeat(part, 50) for part in (once, other, groups, other_groups))
    )
    assert many == pytest.approx(few, abs=1e-12)


def test_p_value_is_the_rank_among_all_labellings():
    first, second = np.array([3.0, 5.0]), np.array([1.0, 2.0, 4.0])
    # of the 10 ways to name two of five, {3, 5} has 5 of 6 pairs right; only {4, 5} has more
    p_value = measure.labelling_p_value(first, second, np.arange(2), np.arange(3))
    assert p_value == pytest.approx(2 / 10)
    lowest = measure.labelling_p_value(first + 9, second, np.arange(2), np.arange(3))
    assert lowest == pytest.approx(1 / 10)


def test_p_values_are_uniform_where_nothing_is_to_be_found():
    p_values = []
    for seed in range(200):
        first, first_groups = scores(seed, 4, 5, 0, 1.0)
        second, second_groups = scores(1000 + seed, 4, 5, 0, 1.0)
        p_values.append(measure.labelling_p_value(first, second, first_groups, second_groups))
    # 0.05 of 200: standard error 0.0154; the test may only be too careful (70 labellings, ties)
    assert np.mean(np.array(p_values) <= 0.05) < 0.05 + 3 * 0.0154
    assert np.mean(p_values) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / 200) + 0.01)


def test_labellings_are_all_or_a_drawn_part_with_the_true_one_first():
    chosen = measure.labellings(5, 2)
    assert [tuple(way) for way in chosen] == list(itertools.combinations(range(5), 2))
    many = measure.labellings(40, 20)
    assert len(many) == measure.MOST_LABELLINGS
    assert many[0].tolist() == list(range(20))
    assert all(len(set(way.tolist())) == 20 for way in many[:100])


def test_one_group_on_each_side_has_no_interval():
    result = measure.grouped_auroc(np.ones(3), np.zeros(3), np.zeros(3), np.zeros(3))
    assert result.value == 1
    assert np.isnan([result.low, result.high]).all()


def test_refuses_other_counts_of_labels():
    with pytest.raises(ValueError, match="2 group labels for 3"):
        measure.grouped_auroc(np.ones(3), np.zeros(3), np.zeros(2), np.zeros(3))
