"""Distances between sets of grids, against plain loops."""

import numpy as np
import pytest

from lvae.metrics import grid_sets


@pytest.fixture
def sets():
    generator = np.random.default_rng(0)
    first, second = (
        generator.normal(size=(5, 4, 3, 2)) * 20,
        generator.normal(size=(6, 4, 3, 2)) * 20,
    )
    return (
        first.astype(np.float32),
        generator.uniform(size=(5, 4, 3)) < 0.8,
        second.astype(np.float32),
        generator.uniform(size=(6, 4, 3)) < 0.8,
    )


def test_aligned_distances_equal_a_loop(sets):
    first, seen, second, other_seen = sets
    got = grid_sets.aligned_distances(first, seen, second, other_seen)
    for i in range(5):
        for j in range(6):
            both = seen[i] & other_seen[j]
            difference = first[i][both] - second[j][both]
            difference = difference - difference.mean(axis=0)
            expected = np.linalg.norm(difference, axis=1).mean()
            assert got[i, j] == pytest.approx(expected, rel=1e-5)


def test_a_translation_costs_nothing(sets):
    first, seen, _, _ = sets
    moved = first + np.array([30.0, -7.0], np.float32)
    distances = grid_sets.aligned_distances(first, seen, moved, seen)
    np.testing.assert_allclose(np.diag(distances), 0.0, atol=1e-4)


def test_errors_count_visible_points_only(sets):
    first, seen, _, _ = sets
    decoded = np.where(seen[..., None], first + np.array([3.0, 4.0]), 1e6)
    errors = grid_sets.reconstruction_errors(first, seen, decoded)
    np.testing.assert_allclose(errors, 5.0, rtol=1e-5)
    assert errors.size == seen.sum()


def test_scores_of_missing_points():
    visible = np.array([True, True, False, False, False])
    predicted = np.array([True, False, False, False, True])
    scores = grid_sets.visibility_scores(visible, predicted)
    assert scores["missing_precision"] == pytest.approx(2 / 3)
    assert scores["missing_recall"] == pytest.approx(2 / 3)
    assert scores["missing_f1"] == pytest.approx(2 / 3)
    nothing = grid_sets.visibility_scores(np.ones(3, bool), np.ones(3, bool))
    assert set(nothing.values()) == {0.0}


def test_kernel_distance_is_small_for_one_distribution_and_large_for_two():
    generator = np.random.default_rng(0)
    recording = np.repeat(np.arange(20), 3)
    real = np.repeat(generator.normal(size=(20, 4)), 3, axis=0)  # near-copies within a recording
    same = grid_sets.kernel_distance(real, generator.normal(size=(200, 4)), recording)
    other = grid_sets.kernel_distance(real, 3 + generator.normal(size=(200, 4)), recording)
    # Twenty recordings: the estimate of a vanishing distance scatters by about 1 / 20.
    assert abs(same) < 0.15
    assert other > 0.5
    assert np.isnan(grid_sets.kernel_distance(real[:3], real, recording[:3]))


def test_coverage_ratio_and_novelty():
    to_samples = np.array([[2.0, 9.0], [4.0, 3.0]])
    to_training = np.array([[5.0], [5.0]])
    assert grid_sets.coverage_ratio(to_samples, to_training) == pytest.approx(0.5)
    assert grid_sets.novelty(np.array([[1.0, 3.0], [8.0, 7.0]])) == pytest.approx(4.0)
