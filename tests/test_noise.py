"""Each noise: its mean, variance and range in closed form, and its independence from the batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from lvae.imaging import noise

KEY = jax.random.key(3)
SIDE = 128
COUNT = SIDE * SIDE


def flat(*levels):
    """One image of each grey level."""
    return jnp.tile(jnp.array(levels, jnp.float32).reshape(-1, 1, 1, 1), (1, SIDE, SIDE, 1))


def means_and_variances(images):
    values = np.asarray(images, np.float64).reshape(len(images), -1)
    return values.mean(axis=1), values.var(axis=1)


def assert_mean(values, expected, deviation, count=COUNT):
    """Within five standard errors: a correct draw fails once in two million."""
    assert abs(np.mean(values) - expected) < 5 * deviation / np.sqrt(count)


def test_gaussian_noise_has_the_sigma_of_each_image():
    sigmas = jnp.array([0.02, 0.05])
    noisy = jax.jit(noise.gaussian_noise)(KEY, flat(0.5, 0.6), sigmas)
    means, variances = means_and_variances(noisy)
    for index, (level, sigma) in enumerate([(0.5, 0.02), (0.6, 0.05)]):
        assert_mean(means[index], level, sigma)
        # the standard error of a normal sample's variance is sigma^2 sqrt(2 / n)
        assert abs(variances[index] - sigma**2) < 5 * sigma**2 * np.sqrt(2 / COUNT)


def test_gaussian_noise_is_clipped():
    noisy = np.asarray(noise.gaussian_noise(KEY, flat(0.0, 1.0), 0.3))
    assert noisy.min() == 0.0
    assert noisy.max() == 1.0
    half_normal = 0.3 / np.sqrt(2 * np.pi)  # E max(0, N(0, sigma))
    assert_mean(noisy[0], half_normal, 0.3)
    assert_mean(1 - noisy[1], half_normal, 0.3)


def test_speckle_grows_with_the_image_and_leaves_black():
    noisy = jax.jit(noise.speckle)(KEY, flat(0.0, 0.2, 0.4), 0.1)
    means, variances = means_and_variances(noisy)
    assert np.all(np.asarray(noisy)[0] == 0.0)
    for index, level in [(1, 0.2), (2, 0.4)]:
        deviation = 0.1 * level
        assert_mean(means[index], level, deviation)
        assert abs(variances[index] - deviation**2) < 5 * deviation**2 * np.sqrt(2 / COUNT)


def test_salt_and_pepper_hits_the_stated_shares():
    images = jnp.broadcast_to(jnp.array([0.3, 0.5, 0.7]), (2, SIDE, SIDE, 3))
    amounts = jnp.array([0.07, 0.4])
    noisy = np.asarray(jax.jit(noise.salt_and_pepper)(KEY, images, amounts, 0.25))
    for index, amount in enumerate([0.07, 0.4]):
        white, black = np.all(noisy[index] == 1, -1), np.all(noisy[index] == 0, -1)
        for found, share in [(white, amount * 0.25), (black, amount * 0.75)]:
            assert_mean(found, share, np.sqrt(share * (1 - share)))
        untouched = ~(white | black)
        assert np.all(noisy[index][untouched] == np.asarray(images)[0, 0, 0])


def test_poisson_noise_counts():
    factor = 7 / 255
    noisy = jax.jit(noise.poisson_noise)(KEY, flat(0.0, 0.1, 0.4, 0.98), factor)
    counts = np.asarray(noisy, np.float64)[:3] / factor
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-4)
    assert np.all(counts[0] == 0)
    for index, level in [(1, 0.1), (2, 0.4)]:
        rate = level / factor
        assert_mean(counts[index], rate, np.sqrt(rate))
        assert_mean((counts[index] - rate) ** 2, rate, np.sqrt(rate + 2 * rate**2))
    assert float(jnp.max(noisy)) == 1.0  # of the last image more than a third is clipped


def test_blur_uniform_blurs_as_scipy_and_is_not_clipped():
    images = jax.random.uniform(jax.random.key(1), (3, 28, 31, 1))
    sigmas = np.array([0.0, 0.7, 2.0])
    blurred = jax.jit(noise.blur_uniform)(KEY, images, jnp.asarray(sigmas, jnp.float32), 0.0)
    np.testing.assert_array_equal(blurred[0], images[0])
    for index in (1, 2):
        expected = ndimage.gaussian_filter(
            np.asarray(images[index, ..., 0], np.float64), sigmas[index], mode="mirror", radius=10
        )
        np.testing.assert_allclose(blurred[index, ..., 0], expected, atol=1e-6)

    noisy = noise.blur_uniform(KEY, flat(0.0, 0.0), 1.0, jnp.array([0.25, 1.5]))
    for index, half_range in enumerate([0.25, 1.5]):
        values = np.asarray(noisy[index]).ravel()
        uniform = stats.uniform(-half_range, 2 * half_range)
        assert stats.kstest(values, uniform.cdf).pvalue > 1e-4
        assert values.min() < -0.99 * half_range
        assert values.max() <= half_range


@pytest.mark.parametrize("kind", noise.KINDS)
def test_each_kind_by_name_depends_on_its_key_and_keeps_shape_and_type(kind):
    images = jax.random.uniform(jax.random.key(0), (2, 24, 24, 3))

    @jax.jit
    def corrupt(key):
        return noise.corrupt(key, images, noise.Corruption(kind, 0.2, 1.0))

    noisy = corrupt(KEY)
    assert noisy.shape == images.shape
    assert noisy.dtype == images.dtype
    np.testing.assert_array_equal(noisy, corrupt(KEY))
    assert np.any(noisy != corrupt(jax.random.key(4)))
    assert np.any(noisy[0] != noisy[1])
    if kind != "blur_uniform":
        assert float(noisy.min()) >= 0.0
        assert float(noisy.max()) <= 1.0


def test_an_unknown_kind_lists_the_known():
    with pytest.raises(ValueError, match="'snow': expected one of gaussian, salt_and_pepper"):
        noise.corrupt(KEY, flat(0.5), noise.Corruption("snow", 0.1))
