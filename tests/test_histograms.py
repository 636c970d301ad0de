"""Histograms and equalisation against NumPy and OpenCV."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from lvae.imaging import histograms
from lvae.imaging.levels import from_levels, to_levels

GENERATOR = np.random.default_rng(1)
LEVELS = np.clip(GENERATOR.normal(90, 25, (3, 40, 50, 3)), 3, 255).astype(np.uint8)
equalize = jax.jit(histograms.equalize)
histogram = jax.jit(histograms.histogram)
distribute = jax.jit(histograms.cumulative_distribution)


def test_levels_and_floats_are_inverse():
    every = jnp.arange(256, dtype=jnp.uint8)
    np.testing.assert_array_equal(to_levels(from_levels(every)), every)
    np.testing.assert_array_equal(to_levels(jnp.array([-0.5, 0.0019, 0.002, 7.0])), [0, 0, 1, 255])


def test_histogram_counts_each_channel_of_each_image():
    found = histogram(from_levels(jnp.asarray(LEVELS)))
    for index in range(3):
        for channel in range(3):
            expected = np.bincount(LEVELS[index, ..., channel].ravel(), minlength=256)
            np.testing.assert_array_equal(found[index, :, channel], expected)


def test_the_cumulative_distribution_ends_at_one():
    found = np.asarray(distribute(from_levels(jnp.asarray(LEVELS))))
    np.testing.assert_allclose(found[:, -1], 1.0, rtol=1e-6)
    assert np.all(np.diff(found, axis=1) >= 0)
    below = np.mean(LEVELS <= 90, axis=(1, 2))
    np.testing.assert_allclose(found[:, 90], below, rtol=1e-6)


def test_equalisation_is_that_of_opencv():
    found = to_levels(equalize(from_levels(jnp.asarray(LEVELS))))
    for index in range(3):
        for channel in range(3):
            expected = cv2.equalizeHist(LEVELS[index, ..., channel].copy())
            np.testing.assert_array_equal(found[index, ..., channel], expected)


def test_an_equalised_histogram_is_flat():
    """Its distribution is the diagonal, but for the share of the fullest level."""
    smooth = jnp.asarray(GENERATOR.beta(2, 7, (1, 128, 128, 1)), jnp.float32)
    image = equalize(smooth)
    share = float(jnp.max(histogram(smooth))) / 128**2
    distribution = np.asarray(distribute(image))[0, :, 0]
    present = np.asarray(histogram(image))[0, :, 0] > 0
    diagonal = np.arange(256) / 255
    assert np.max(np.abs(distribution - diagonal)[present]) <= share + 1 / 255


def test_equalising_one_level_or_all_levels_changes_nothing():
    flat = jnp.full((1, 8, 8, 1), 77 / 255)
    np.testing.assert_array_equal(equalize(flat), flat)
    ramp = from_levels(jnp.arange(256, dtype=jnp.uint8).reshape(1, 16, 16, 1))
    np.testing.assert_array_equal(to_levels(equalize(ramp)), to_levels(ramp))


def test_compressed_contrast_keeps_the_mean_and_narrows_the_histogram():
    images = from_levels(jnp.asarray(LEVELS))
    compress = jax.jit(histograms.compress_contrast)
    flat = np.asarray(compress(jax.random.key(0), images))
    mean = np.asarray(images).mean(axis=(1, 2, 3), keepdims=True)
    ratio = (flat - mean) / np.where(np.abs(images - mean) > 0.02, images - mean, np.nan)
    assert np.nanmin(ratio) >= 0.075 - 1e-4
    assert np.nanmax(ratio) <= 0.125 + 1e-4
    # the rate has mean 0.9 and deviation 0.05 / sqrt(12): five standard errors
    assert abs(np.nanmean(ratio) - 0.1) < 5 * 0.0144 / np.sqrt(np.isfinite(ratio).sum())
