import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.imaging.levels import from_levels, to_levels

EVERY = np.arange(256, dtype=np.uint8).reshape(16, 16)
KINDS = {"numpy": np.asarray, "jax": jnp.asarray}


@pytest.mark.parametrize("kind", KINDS)
def test_every_level_comes_back_and_the_kind_of_array_stays(kind):
    floats = from_levels(KINDS[kind](EVERY))
    back = to_levels(floats)
    expected = np.ndarray if kind == "numpy" else jax.Array
    assert isinstance(floats, expected)
    assert isinstance(back, expected)
    assert (floats.dtype, back.dtype) == (np.float32, np.uint8)
    # compiled, a division by a constant is a product: the last bit of 24 may differ
    np.testing.assert_allclose(np.asarray(floats), EVERY / 255.0, rtol=2.0**-23)
    np.testing.assert_array_equal(np.asarray(back), EVERY)


@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_level_is_taken_and_what_is_outside_is_clipped(kind):
    # 0.0019 * 255 = 0.48, 0.002 * 255 = 0.51; 0.5 * 255 = 127.5 goes to the even level
    floats = KINDS[kind](np.array([-0.5, 0.0019, 0.002, 0.5, 1.0, 7.0], np.float32))
    np.testing.assert_array_equal(np.asarray(to_levels(floats)), [0, 0, 1, 128, 255, 255])


def test_both_work_inside_jit():
    found = jax.jit(lambda levels: to_levels(from_levels(levels)))(EVERY)
    np.testing.assert_array_equal(found, EVERY)


def test_double_precision_is_rounded_once():
    """254.5 / 255 + 1e-12 is above the half in float64 and on it in float32, which rounds to 254."""
    assert to_levels(np.array([254.5 / 255 + 1e-12])).tolist() == [255]
