"""Matching against brute force over all assignments."""

import itertools

import numpy as np
import pytest

from lvae.metrics.matching import UNMATCHED, distinct_rays, matching_measures, nearest_rays

RAYS = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def brute_force(points, rays):
    """Every way to give each point a ray of its own; the least sum of squared distances."""
    return min(
        itertools.permutations(range(len(rays)), len(points)),
        key=lambda chosen: ((points - rays[list(chosen)]) ** 2).sum(),
    )


@pytest.mark.parametrize("seed", range(8))
def test_distinct_rays_are_the_best_of_all_assignments(seed):
    points = np.random.default_rng(seed).uniform(-5, 25, (4, 2))
    assert tuple(distinct_rays(points, RAYS)) == brute_force(points, RAYS)
    distances = np.array([[np.hypot(*(point - ray)) for ray in RAYS] for point in points])
    np.testing.assert_array_equal(nearest_rays(points, RAYS), distances.argmin(1))


def test_without_conflict_the_repair_changes_nothing():
    points = RAYS[[4, 0, 2]] + 1.5
    np.testing.assert_array_equal(distinct_rays(points, RAYS), [4, 0, 2])


def test_points_in_excess_stay_unmatched():
    labels = distinct_rays(np.repeat(RAYS, 2, axis=0), RAYS)
    assert sorted(labels) == [UNMATCHED] * 5 + [0, 1, 2, 3, 4]


def test_measures_by_recording():
    """Two frames of recording 3: one perfect, one with two points swapped onto one ray; one of 5."""
    visible = np.array([[True] * 5, [True, True, False, True, True], [True] * 5])
    warped = np.stack([RAYS, RAYS, RAYS + np.array([3.0, 4.0])])
    warped[1, 2] = 1e6  # not visible: never looked at
    warped[1, 1] = [1.0, 0.0]  # nearest to ray 0; with rays of their own, 0 and 1
    measures = matching_measures(warped, visible, RAYS, np.array([3, 3, 5]), scale=0.5)
    assert measures["accuracy"] == [pytest.approx((1 + 0.75) / 2), 1.0]
    assert measures["repaired_accuracy"] == [1.0, 1.0]
    assert measures["faultless_frames"] == [1.0, 1.0]
    assert measures["error_px"] == [pytest.approx(0.5 * (0 + 9 / 4) / 2), pytest.approx(2.5)]
    # A wrong match that the repair keeps: two points that changed places.
    warped[0, [0, 1]] = warped[0, [1, 0]]
    measures = matching_measures(warped, visible, RAYS, np.array([3, 3, 5]))
    assert measures["repaired_accuracy"][0] == pytest.approx((0.6 + 1) / 2)
    assert measures["faultless_frames"] == [0.5, 1.0]
