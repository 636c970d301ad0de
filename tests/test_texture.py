"""Equal texture: no need of equal pixels."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from lvae.imaging.texture import FLOOR, texture_error


def grain(seed, strength=0.2):
    return 0.5 + strength * np.random.default_rng(seed).normal(size=(2, 32, 32))


def error(first, second):
    return np.asarray(
        texture_error(jnp.asarray(first, jnp.float32), jnp.asarray(second, jnp.float32))
    )


def test_equal_images_have_no_error_and_other_grain_little():
    first, second = grain(0), grain(1)
    np.testing.assert_array_equal(error(first, first), 0)
    smooth = np.stack([ndimage.gaussian_filter(image, 1.0) for image in first])
    assert (error(first, second) < 0.3 * error(first, smooth)).all()


def test_twice_the_contrast_is_ln_4():
    first = grain(0)
    # the floor lowers it by less than its share of the smallest energy
    assert error(first, 2 * first) == pytest.approx(np.log(4), rel=20 * FLOOR**2 / 0.04)


def test_black_counts_for_nothing():
    black = np.zeros((1, 32, 32))
    np.testing.assert_array_equal(error(black, black), 0)
    half, other = grain(0)[:1].copy(), grain(1)[:1].copy()
    half[:, :, 16:] = other[:, :, 16:] = 0
    assert 0.5 < error(half, other)[0] / error(grain(0)[:1], grain(1)[:1])[0] < 2
