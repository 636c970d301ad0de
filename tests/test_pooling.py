"""Pooling against scikit-image."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.measure import block_reduce

from lvae.imaging import pooling

IMAGES = np.random.default_rng(2).random((2, 12, 9, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("pool", "function"),
    [(pooling.min_pool, np.min), (pooling.max_pool, np.max), (pooling.mean_pool, np.mean)],
)
def test_pools_as_scikit_image_and_drops_what_is_left_over(pool, function):
    images = jnp.asarray(IMAGES)
    expected = block_reduce(IMAGES, (1, 3, 3, 1), function)
    np.testing.assert_allclose(pool(images, 3), expected, rtol=1e-6)
    even = block_reduce(IMAGES[:, :, :8], (1, 2, 2, 1), function)
    np.testing.assert_allclose(pool(images, 2), even, rtol=1e-6)
    np.testing.assert_array_equal(pool(images, 1), images)


def test_a_size_that_does_not_fit():
    with pytest.raises(ValueError, match="size 10: expected 1 to 9"):
        pooling.max_pool(jnp.asarray(IMAGES), 10)
