"""Measures of separation, each against its definition."""

import numpy as np
import pytest

from lvae.metrics import clusters


def test_auroc_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 40)
    scores = random.integers(0, 6, 40).astype(float)  # with ties
    ones, zeros = scores[labels == 1][:, None], scores[labels == 0][None]
    pairs = (ones > zeros) + 0.5 * (ones == zeros)
    assert clusters.auroc(labels, scores) == pytest.approx(pairs.mean(), abs=1e-12)
    assert np.isnan(clusters.auroc(np.ones(5, int), np.arange(5.0)))


def test_knn_scores_are_weighted_shares_of_the_nearest():
    random = np.random.default_rng(1)
    reference, labels = random.normal(size=(30, 3)), random.integers(0, 2, 30)
    codes = random.normal(size=(7, 3))
    expected = []
    for code in codes:
        distances = np.sqrt(((reference - code) ** 2).sum(1))
        nearest = np.argsort(distances)[:5]
        weights = 1 / (distances[nearest] + distances[nearest].mean())
        expected.append((weights * labels[nearest]).sum() / weights.sum())
    np.testing.assert_allclose(clusters.knn_scores(reference, labels, codes, 5), expected)


def test_more_neighbours_than_references_and_equal_codes():
    scores = clusters.knn_scores(np.zeros((3, 2)), np.array([0, 1, 1]), np.zeros((2, 2)), 10)
    np.testing.assert_allclose(scores, 2 / 3)


def test_the_probe_is_linear_and_does_not_mind_units():
    random = np.random.default_rng(2)
    codes = random.normal(size=(400, 2))
    line = (codes @ [1.0, -2.0] > 0).astype(int)
    ring = ((codes**2).sum(1) > 1.4).astype(int)
    stretched = codes * [1e-4, 1e4]
    assert clusters.auroc(line, clusters.probe_scores(stretched, line, stretched)) > 0.99
    assert clusters.auroc(ring, clusters.probe_scores(codes, ring, codes)) < 0.65
    assert clusters.auroc(ring, clusters.knn_scores(codes, ring, codes, 20)) > 0.95


def test_silhouette_of_two_points_far_apart_is_nearly_one():
    random = np.random.default_rng(3)
    labels = np.repeat([0, 1], 50)
    codes = random.normal(size=(100, 2)) * 0.01 + labels[:, None] * 10.0
    assert clusters.silhouette(codes, labels) > 0.99
    assert abs(clusters.silhouette(codes, random.permutation(labels))) < 0.05
    assert np.isnan(clusters.silhouette(codes, np.zeros(100, int)))
    assert clusters.silhouette(codes, labels, most=20) > 0.99


def test_intervals_are_over_cases_not_over_patches():
    random = np.random.default_rng(4)
    cases = np.repeat(np.arange(12), 50)
    values = random.normal(size=12)[cases]  # all patches of a case are the same
    low, high = clusters.bootstrap(lambda chosen: values[chosen].mean(), cases, 400)
    by_case = values[::50]
    spread = by_case.std() / np.sqrt(12)  # of a mean of 12, whatever the number of patches
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.2)
    assert low < by_case.mean() < high
    one = clusters.bootstrap(lambda chosen: values[chosen].mean(), np.zeros(600, int), 20)
    assert one[0] == pytest.approx(one[1])


def test_draws_without_a_value_are_left_out():
    low, high = clusters.bootstrap(lambda chosen: float("nan"), np.arange(3), 5)
    assert np.isnan(low)
    assert np.isnan(high)


def test_two_dimensions_are_shown_as_they_are_and_more_keep_neighbours():
    random = np.random.default_rng(5)
    flat = random.normal(size=(20, 2))
    assert clusters.embedding(flat) is flat
    assert clusters.embedding(flat[:, :1]).shape == (20, 2)
    labels = np.repeat([0, 1, 2], 20)
    codes = (random.normal(size=(60, 5)) + 20 * np.eye(5)[labels]).astype(np.float32)
    places = clusters.embedding(codes, seed=0, perplexity=10.0)
    np.testing.assert_array_equal(
        clusters.knn_scores(places, (labels == 1).astype(int), places, 5) > 0.5, labels == 1
    )
