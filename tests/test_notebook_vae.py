"""The reference's network: its published size, its initialisation, its sizes of grid."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.models.notebook_vae import Decoder, Encoder


def shapes(module, *shape):
    return jax.eval_shape(module.init, jax.random.key(0), jnp.zeros(shape))["params"]


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_parameter_count_is_the_published_one():
    assert size(shapes(Encoder(8), 1, 20, 20, 2)) + size(shapes(Decoder(), 1, 8)) == 115_362


@pytest.mark.parametrize(("rows", "columns"), [(18, 18), (14, 6)])
def test_decoder_returns_the_ringed_grid(rows, columns):
    codes = jax.ShapeDtypeStruct((3, 4), jnp.float32)
    (mean, log_variance), logits = jax.eval_shape(
        lambda key, grids, codes: (
            Encoder(4).init_with_output(key, grids)[0],
            Decoder(rows, columns).init_with_output(key, codes)[0],
        ),
        jax.random.key(0),
        jax.ShapeDtypeStruct((3, rows + 2, columns + 2, 2), jnp.float32),
        codes,
    )
    assert mean.shape == log_variance.shape == (3, 4)
    assert logits.shape == (3, rows + 2, columns + 2, 2)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"7 x 18.*multiples of 4"):
        Decoder(7, 18).init(jax.random.key(0), jnp.zeros((1, 8)))
    with pytest.raises(ValueError, match=r"18 x 7.*multiples of 4"):
        Encoder(8).init(jax.random.key(0), jnp.zeros((1, 20, 9, 2)))


def test_initialisation_is_keras_own():
    params = jax.jit(Encoder(8).init)(jax.random.key(0), jnp.zeros((1, 20, 20, 2)))["params"]
    for name, layer in params.items():
        assert np.all(np.asarray(layer["bias"]) == 0), name
        *window, inputs, outputs = layer["kernel"].shape
        limit = np.sqrt(6 / (np.prod(window) * (inputs + outputs)))
        largest = np.abs(layer["kernel"]).max()
        assert 0.9 * limit < largest <= limit * (1 + 1e-6), name
