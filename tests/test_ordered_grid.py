"""Pose, order and the terms of the pose-and-shape VAE, against closed forms in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lvae.models.gaussian import normal_kl
from lvae.models.ordered_grid import ShapeDecoder, ShapeEncoder, fit_pose, in_order, posed_grid
from lvae.tasks.grids.vae import ordered


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def test_pose_of_an_affine_grid_is_its_own_whatever_is_missing(generator):
    pose = generator.normal(size=(3, 3, 2)).astype(np.float32) * 100
    points = posed_grid(jnp.asarray(pose), 6, 7)
    visible = generator.uniform(size=(3, 6, 7)) < 0.6
    hidden = jnp.where(visible[..., None], points, 1e4)  # missing points must not count
    # The ridge of 1e-3 over about 20 points pulls by 1e-4 of some hundred px.
    np.testing.assert_allclose(fit_pose(hidden, jnp.asarray(visible)), pose, atol=0.05)


def test_pose_equals_least_squares(generator):
    points = generator.normal(size=(1, 5, 4, 2)).astype(np.float32)
    visible = generator.uniform(size=(1, 5, 4)) < 0.7
    x, y = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(1, -1, 5))
    basis = np.stack([np.ones_like(x), x, y], -1)[visible[0]]
    expected = np.linalg.lstsq(basis, points[visible], rcond=None)[0]
    np.testing.assert_allclose(
        fit_pose(jnp.asarray(points), jnp.asarray(visible))[0], expected, atol=2e-3
    )


def test_order_is_made_where_it_is_missing_and_kept_where_it_is(generator):
    wild = jnp.asarray(generator.normal(size=(4, 6, 7, 2)) * 50)
    ordered_points = np.asarray(in_order(wild, (3.0, 5.0)))
    assert np.diff(ordered_points[..., 0], axis=2).min() >= 3.0 - 1e-4
    assert np.diff(ordered_points[..., 1], axis=1).max() <= -5.0 + 1e-4
    again = np.asarray(in_order(jnp.asarray(ordered_points), (2.0, 4.0)))
    np.testing.assert_allclose(again, ordered_points, atol=1e-4)


def test_order_lets_gradients_through():
    def spread(points):
        return jnp.sum(in_order(points, (1.0, 1.0))[..., 0] ** 2)

    gradient = jax.grad(spread)(jnp.arange(18.0).reshape(1, 3, 3, 2))
    assert np.all(np.isfinite(gradient))
    assert np.any(np.asarray(gradient) != 0)


def test_kl_is_that_of_two_normals(generator):
    mean, log_variance = generator.normal(size=(2, 5, 3))
    variance = np.exp(log_variance)
    expected = np.log(1 / np.sqrt(variance)) + (variance + mean**2) / 2 - 0.5
    got = normal_kl(jnp.asarray(mean), jnp.asarray(log_variance))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_gaussian_loss_counts_visible_points_only(generator):
    points, decoded = generator.normal(size=(2, 2, 4, 5, 2))
    visible = generator.uniform(size=(2, 4, 5)) < 0.5
    points[~visible] = 1e6
    factor = ordered.covariance_factor(jnp.asarray(generator.normal(size=(2, 4, 5, 3))), 0.1)
    covariance = np.einsum("nrcij,nrckj->nrcik", factor, factor)
    expected = [
        sum(
            -multivariate_normal(cov=covariance[n, r, c]).logpdf(points[n, r, c] - decoded[n, r, c])
            - np.log(2 * np.pi)
            for r in range(4)
            for c in range(5)
            if visible[n, r, c]
        )
        for n in range(2)
    ]
    got = ordered.gaussian_loss(jnp.asarray(points - decoded), jnp.asarray(visible), factor)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_bernoulli_loss_is_the_masks_log_probability(generator):
    logits = generator.normal(size=(2, 4, 5)) * 3
    visible = generator.uniform(size=(2, 4, 5)) < 0.5
    seen = 1 / (1 + np.exp(-logits))
    expected = -np.log(np.where(visible, seen, 1 - seen)).sum(axis=(1, 2))
    got = ordered.bernoulli_loss(jnp.asarray(logits), jnp.asarray(visible))
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_encoder_ignores_what_stands_at_missing_points_and_decoder_has_the_grids_shape(generator):
    shape = jnp.asarray(generator.normal(size=(2, 6, 7, 2)), jnp.float32)
    encoder, decoder = ShapeEncoder(latents=4, hidden=8), ShapeDecoder(rows=6, columns=7, hidden=8)
    visible = jnp.ones((2, 6, 7), bool)
    params = encoder.init(jax.random.key(0), shape, visible)
    mean, log_variance = encoder.apply(params, shape, visible)
    assert mean.shape == log_variance.shape == (2, 4)
    points, logits, noise = decoder.apply(decoder.init(jax.random.key(1), mean), mean)
    assert noise.shape == (2, 6, 7, 3)
    assert points.shape == (2, 6, 7, 2)
    assert logits.shape == (2, 6, 7)
