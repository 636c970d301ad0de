import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from lvae.models.gaussian import normal_codes, normal_kl, reparameterised

MEAN = np.array([[0.0, 1.5, -2.0], [0.3, -0.1, 4.0]], np.float32)
LOG_VARIANCE = np.array([[0.0, -1.0, 0.7], [1.2, -3.0, -0.5]], np.float32)


def test_the_divergence_is_the_integral_of_its_definition():
    found = normal_kl(jnp.asarray(MEAN), jnp.asarray(LOG_VARIANCE))
    for mean, log_variance, value in zip(MEAN.flat, LOG_VARIANCE.flat, np.asarray(found).flat):
        normal = stats.norm(float(mean), np.exp(0.5 * float(log_variance)))

        def integrand(x, normal=normal):
            return normal.pdf(x) * (normal.logpdf(x) - stats.norm.logpdf(x))

        low, high = normal.mean() - 12 * normal.std(), normal.mean() + 12 * normal.std()
        assert value == pytest.approx(integrate.quad(integrand, low, high)[0], rel=1e-5, abs=1e-6)


def test_the_standard_normal_has_no_divergence_from_itself():
    assert normal_kl(jnp.zeros((1, 4)), jnp.zeros((1, 4))).tolist() == [[0.0] * 4]


def test_draws_are_the_same_noise_stretched_and_moved():
    """What is left after taking off the mean and dividing by the deviation is the key's noise."""
    key = jax.random.key(3)
    noise = np.asarray(jax.random.normal(key, MEAN.shape))
    for factor in (0.0, 0.5, 1.0):
        drawn = reparameterised(key, jnp.asarray(MEAN), jnp.asarray(LOG_VARIANCE), factor)
        expected = MEAN + np.exp(LOG_VARIANCE / 2) * factor * noise
        np.testing.assert_allclose(drawn, expected, rtol=0, atol=4e-6)  # a few roundings at 10


def test_draws_have_the_gradient_of_their_mean_and_deviation():
    """d/d mean is 1, d/d log variance is half of the noise times the deviation."""
    key = jax.random.key(4)

    def total(mean, log_variance):
        return reparameterised(key, mean, log_variance).sum()

    by_mean, by_log_variance = jax.grad(total, (0, 1))(jnp.asarray(MEAN), jnp.asarray(LOG_VARIANCE))
    noise = np.asarray(jax.random.normal(key, MEAN.shape))
    np.testing.assert_array_equal(by_mean, np.ones_like(MEAN))
    expected = 0.5 * noise * np.exp(LOG_VARIANCE / 2)
    np.testing.assert_allclose(by_log_variance, expected, rtol=1e-5)


def test_codes_of_the_prior_depend_on_key_and_index_alone():
    key = jax.random.key(5)
    codes = normal_codes(key, np.arange(4000), 3)
    np.testing.assert_array_equal(normal_codes(key, np.array([17, 3]), 3), codes[[17, 3]])
    expected = jax.random.normal(jax.random.fold_in(key, 17), (3,))
    np.testing.assert_array_equal(codes[17], expected)
    # 12,000 numbers: each moment within five of its standard deviations, Kolmogorov's test besides
    assert abs(codes.mean()) < 5 / np.sqrt(codes.size)
    assert abs(codes.var() - 1) < 5 * np.sqrt(2 / codes.size)
    assert stats.kstest(codes.ravel(), "norm").pvalue > 1e-6
    assert np.abs(normal_codes(jax.random.key(6), np.arange(4), 3) - codes[:4]).min() > 0
