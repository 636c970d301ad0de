"""The smallest detectable AUROC: exact distributions, simulated tests, impossible ones."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from lvae.metrics import power


def test_distribution_by_listing_all_orders():
    counts = np.zeros(3 * 4 + 1)
    for chosen in itertools.combinations(range(7), 3):
        others = [rank for rank in range(7) if rank not in chosen]
        counts[sum(a > b for a in chosen for b in others)] += 1
    np.testing.assert_allclose(power.mann_whitney_distribution(3, 4), counts / math.comb(7, 3))


def test_distribution_is_scipys():
    first, second = np.arange(6) + 0.5, np.arange(5.0)
    result = mannwhitneyu(first, second, alternative="greater", method="exact")
    tail = power.mann_whitney_distribution(6, 5)[int(result.statistic) :].sum()
    assert tail == pytest.approx(result.pvalue, abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [(1, 1), (8, 1), (18, 1), (3, 2), (2, 2)])
def test_nothing_is_found_where_the_smallest_p_value_is_too_large(first, second):
    assert math.comb(first + second, first) < 20
    assert np.isnan(power.smallest_auroc(first, second))


@pytest.mark.parametrize(("first", "second"), [(8, 2), (10, 10)])
def test_the_test_finds_that_auroc_four_times_out_of_five(first, second):
    auroc = power.smallest_auroc(first, second)
    random, found, runs = np.random.default_rng(9), 0, 1000
    shift = np.sqrt(2) * norm.ppf(auroc)
    for _ in range(runs):
        scores = random.normal(shift, 1, first), random.normal(0, 1, second)
        found += mannwhitneyu(*scores, alternative="greater", method="exact").pvalue <= 0.05
    # standard error of 0.8: 0.0126 in 1000 runs, 0.0063 in the 4000 of the search
    assert found / runs == pytest.approx(0.8, abs=4 * np.hypot(0.0126, 0.0063))


@pytest.mark.parametrize(("first", "second"), [(20, 20), (40, 8), (8, 40)])
def test_approximation_meets_the_exact_value(first, second):
    exact = power.smallest_auroc(first, second)
    approximate = power._by_approximation(first, second, 0.05, 0.8)
    # one step of the exact critical value is 1 / (first * second) = 0.003
    assert approximate == pytest.approx(exact, abs=0.01)


def test_more_groups_find_less():
    values = [power.smallest_auroc(*counts) for counts in ((8, 2), (8, 4), (20, 20), (200, 200))]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.6
    assert power.smallest_auroc(8, 4, power=0.5) < power.smallest_auroc(8, 4)


def test_refuses_no_groups():
    with pytest.raises(ValueError, match="at least one"):
        power.smallest_auroc(0, 3)
