"""Precision, recall, density, coverage: against loops, and in cases known beforehand."""

import numpy as np
import pytest

from lvae.metrics import generative

RANDOM = np.random.default_rng(0)


def brute_force(real, samples, k, real_groups, sample_groups):
    """The definitions, one pair of points at a time."""

    def radius(points, groups, index):
        others = [
            np.linalg.norm(points[index] - point)
            for point, group in zip(points, groups)
            if group != groups[index]
        ]
        return sorted(others)[k - 1]

    balls = [radius(real, real_groups, index) for index in range(len(real))]
    sample_balls = [radius(samples, sample_groups, index) for index in range(len(samples))]
    apart = [[np.linalg.norm(point - sample) for sample in samples] for point in real]
    inside = [[distance <= ball for distance in row] for row, ball in zip(apart, balls)]
    precision = np.mean([any(row[j] for row in inside) for j in range(len(samples))])
    recall = np.mean([any(d <= b for d, b in zip(row, sample_balls)) for row in apart])
    density = np.mean([sum(row[j] for row in inside) / k for j in range(len(samples))])
    return precision, recall, density, np.mean([any(row) for row in inside])


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("k", [1, 3])
def test_equal_to_loops_over_points(grouped, k):
    real, samples = RANDOM.normal(size=(40, 3)), 0.8 * RANDOM.normal(size=(30, 3)) + 0.4
    real_groups = np.repeat(list("abcdefgh"), 5) if grouped else np.arange(40)
    sample_groups = np.repeat(np.arange(6), 5) if grouped else np.arange(30)
    expected = brute_force(real, samples, k, real_groups, sample_groups)
    labels = (real_groups, sample_groups) if grouped else (None, None)
    assert generative.compare(real, samples, k, *labels) == pytest.approx(expected, abs=1e-12)


def test_a_set_covers_itself_and_a_far_one_covers_nothing():
    real = RANDOM.normal(size=(50, 4))
    same = generative.compare(real, real, 3)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert same.density >= 1
    assert generative.compare(real, real + 1000, 3) == (0, 0, 0, 0)


def test_collapsed_samples_have_precision_without_recall():
    real = RANDOM.normal(size=(200, 2))
    collapsed = 1e-3 * RANDOM.normal(size=(200, 2))
    result = generative.compare(real, collapsed, 5)
    assert result.precision > 0.9
    assert result.recall < 0.1
    assert result.coverage < 0.5


def test_groups_keep_near_copies_from_setting_the_radius():
    centres = 10 * RANDOM.normal(size=(8, 3))
    points = np.repeat(centres, 6, 0) + 1e-3 * RANDOM.normal(size=(48, 3))
    groups = np.repeat(np.arange(8), 6)
    assert generative.radii(points, 3).max() < 0.01
    assert generative.radii(points, 3, groups).min() > 1


def test_more_points_than_a_block():
    points = RANDOM.normal(size=(generative._BLOCK + 50, 2))
    radii = generative.radii(points, 2)
    for index in (0, generative._BLOCK, len(points) - 1):
        apart = np.sort(np.linalg.norm(points - points[index], axis=1))
        assert radii[index] == pytest.approx(apart[2], abs=1e-9)


def test_nearest_of_another_group():
    points, others = np.array([[0.0], [5.0]]), np.array([[1.0], [4.5], [9.0]])
    np.testing.assert_allclose(generative.nearest(points, others), [1, 0.5])
    labels = (np.array(["a", "b"]), np.array(["a", "b", "c"]))
    np.testing.assert_allclose(generative.nearest(points, others, *labels), [4.5, 4])


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="expected"):
        generative.compare(np.ones((5, 2)), np.ones((5, 3)))
    with pytest.raises(ValueError, match="neighbours of other groups"):
        generative.radii(np.ones((5, 2)), 1, np.zeros(5))
    with pytest.raises(ValueError, match="group labels"):
        generative.radii(np.ones((5, 2)), 1, np.zeros(4))
