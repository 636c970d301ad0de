"""Plans: the algebra against dense normal distributions, and what slices of a subject become."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lvae.models import plans

HEIGHTS, PIXELS, COUNT = 4, 12, 400


@pytest.fixture(scope="module")
def heads():
    random = np.random.default_rng(0)
    axes = random.normal(size=(3, HEIGHTS * PIXELS))
    away = random.normal(size=(COUNT, 3)) @ axes + 0.3 * random.normal(size=(COUNT, axes.shape[1]))
    return (away + 1).reshape(-1, HEIGHTS, PIXELS), axes.reshape(3, HEIGHTS, PIXELS)


@pytest.fixture(scope="module")
def fitted(heads):
    return plans.fit(heads[0], 3)


def dense(here):
    return here.axes.T @ here.axes + np.diag(here.rest)


def test_the_fit_has_the_covariance_of_the_heads(heads, fitted):
    here = plans.at_height(fitted, 1 / 3)
    truth = heads[1][:, 1].T @ heads[1][:, 1] + 0.09 * np.eye(PIXELS)
    # a variance from n draws is off by sqrt(2 / n) of the largest; four times that
    assert np.abs(dense(here) - truth).max() < 4 * np.sqrt(2 / COUNT) * truth.max()
    # three of 48 directions of the noise pass for axes
    left = 0.09 * (1 - 3 / (HEIGHTS * PIXELS))
    assert here.rest.mean() == pytest.approx(left, rel=4 * np.sqrt(2 / (COUNT * PIXELS)))


def test_densities_and_weights_are_those_of_the_dense_normal(heads, fitted):
    here, picture = plans.at_height(fitted, 0.5), heads[0][7, 1]
    seen = np.arange(PIXELS) % 3 > 0
    covariance = dense(here)
    for part in (np.ones(PIXELS, bool), seen):
        shown = np.ix_(part, part)
        expected = multivariate_normal(here.mean[part], covariance[shown]).logpdf(picture[part])
        both = np.stack([picture, picture + 1]), np.stack([part, ~part])
        found = plans.log_densities(here, *both)
        assert found[0] == pytest.approx(expected, rel=1e-6)
        # textbook conditioning of the weights on the seen pixels
        gain = here.axes[:, part] @ np.linalg.inv(covariance[shown])
        mean, spread = plans.explained(here, picture, part)
        np.testing.assert_allclose(mean, gain @ (picture - here.mean)[part], atol=1e-6)
        np.testing.assert_allclose(spread, np.eye(3) - gain @ here.axes[:, part].T, atol=1e-6)


def test_many_pictures_at_once_are_as_one_at_a_time(heads, fitted):
    here, pictures = plans.at_height(fitted, 0.25), heads[0][:5, 1]
    all_seen = np.ones(pictures.shape, bool)
    np.testing.assert_allclose(
        plans.log_densities(here, pictures), plans.log_densities(here, pictures, all_seen)
    )
    means = plans.explained(here, pictures)[0]
    for index, picture in enumerate(pictures):
        np.testing.assert_allclose(means[index], plans.explained(here, picture)[0])
        one = plans.nats(here, picture[None])
        np.testing.assert_allclose(plans.nats(here, pictures)[index], one[0])


def test_what_is_hidden_has_no_say(heads, fitted):
    picture, seen = heads[0][3, 2].copy(), np.arange(PIXELS) < 8
    before = plans.explained(plans.at_height(fitted, 2 / 3), picture, seen)[0]
    height = plans.likeliest_heights(fitted, picture[None], seen[None])
    picture[8:] += 5
    np.testing.assert_array_equal(
        before, plans.explained(plans.at_height(fitted, 2 / 3), picture, seen)[0]
    )
    assert plans.likeliest_heights(fitted, picture[None], seen[None]) == height


def test_nats_are_the_divergence_of_the_weights(heads, fitted):
    here, picture = plans.at_height(fitted, 0.0), heads[0][0, 0]
    mean, covariance = plans.explained(here, picture)
    random = np.random.default_rng(1)
    weights = random.multivariate_normal(mean, covariance, 20000)
    ratio = multivariate_normal(mean, covariance).logpdf(weights) - multivariate_normal(
        np.zeros(3)
    ).logpdf(weights)
    error = 4 * ratio.std() / np.sqrt(len(ratio))
    assert plans.nats(here, picture[None])[0] == pytest.approx(ratio.mean(), abs=error)


def test_the_height_of_a_picture_is_found(heads, fitted):
    found = plans.likeliest_heights(fitted, heads[0][:20, 2])
    assert np.mean(np.isclose(found, 2 / 3)) > 0.8


def test_readings_are_the_weights_at_the_heights(heads, fitted):
    readings = plans.readings(fitted)
    picture = heads[0][5, 3]
    mean, covariance = plans.explained(plans.at_height(fitted, 1.0), picture)
    found = readings["gain"][3] @ (picture - fitted.mean[3])
    np.testing.assert_allclose(found, mean, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(readings["root"][3] @ readings["root"][3].T, covariance, atol=1e-5)


def test_subjects_are_interpolated_between_their_slices():
    pictures = np.array([[0.0], [2.0], [5.0], [1.0]])
    subjects = np.array(["a", "a", "b", "a"])
    heights = np.array([0.0, 1.0, 0.3, 0.5])
    heads = plans.stacked(pictures, subjects, heights, 5)
    np.testing.assert_allclose(heads[0, :, 0], [0.0, 0.5, 1.0, 1.5, 2.0])
    np.testing.assert_allclose(heads[1, :, 0], 5.0)  # a single slice: everywhere the same


def test_fewer_heads_than_components_leave_axes_at_zero():
    found = plans.fit(np.random.default_rng(0).normal(size=(3, 2, 4)), 5)
    assert (found.axes[2:] == 0).all()
    assert (np.abs(found.axes[:2]) > 0).any()
