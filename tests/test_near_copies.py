"""Near-copies: limits and shares against closed cases."""

import numpy as np
import pytest
from scipy.stats import beta

from lvae.metrics import near_copies


def distances(first, second):
    return np.abs(np.subtract.outer(np.asarray(first, float), np.asarray(second, float)))


def test_a_limit_is_the_groups_own_spacing_or_half_the_way_to_the_next():
    train, groups = np.array([0.0, 1.0, 2.0, 10.0, 50.0]), np.array([0, 0, 0, 1, 2])
    limits = near_copies.copy_distances(distances(train, train), groups)
    # within group 0 neighbours are 1 apart; 8 to group 1, so that 1 is the smaller; the others are
    # alone: half of 8 and half of 40
    np.testing.assert_allclose(limits, [1, 1, 1, 4, 20])


def test_half_the_way_is_the_limit_where_groups_overlap():
    train, groups = np.array([0.0, 9.0, 4.0, 13.0]), np.array([0, 0, 1, 1])
    limits = near_copies.copy_distances(distances(train, train), groups)
    np.testing.assert_allclose(limits, [2, 2, 2, 2])  # 4 to the other group, 9 to one's own


def test_one_group_has_its_own_spacing_alone():
    train = np.array([0.0, 1.0, 3.0])
    limits = near_copies.copy_distances(distances(train, train), np.zeros(3))
    np.testing.assert_allclose(limits, np.percentile([1, 1, 2], 95))


def test_share_counts_examples_within_a_limit_and_has_the_exact_interval():
    to_train = np.array([[0.5, 9.0], [3.0, 1.0], [3.0, 3.0], [1.0, 9.0]])
    found = near_copies.near_copies(to_train, np.array([1.0, 2.0]))
    assert found.near.tolist() == [True, True, False, True]
    assert found.share.value == 0.75
    low, high = beta.ppf(0.025, 3, 2), beta.ppf(0.975, 4, 1)  # Clopper and Pearson, 3 of 4
    assert found.share.low == pytest.approx(low, abs=1e-9)
    assert found.share.high == pytest.approx(high, abs=1e-9)


def test_so_many_draws_hold_a_copy_as_often_as_said():
    share = near_copies.smallest_share(2000)
    assert 1 - (1 - share) ** 2000 == pytest.approx(0.8)
    assert near_copies.smallest_share(1) == pytest.approx(0.8)


def test_another_number_of_labels_is_refused():
    with pytest.raises(ValueError, match="group labels"):
        near_copies.copy_distances(np.zeros((3, 3)), np.zeros(2))
