"""Networks of the VQ-VAE: the reference's layers, and shapes that mirror each other."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft

from configs import vqvae_brain
from lvae.configuration import parse
from lvae.models import vqvae
from lvae.tasks.brain.codec.network import network_of
from lvae.tasks.brain.codec.settings import Settings


def shapes_of(argument):
    settings = parse(Settings, vqvae_brain.get_config(argument))
    network = network_of(settings.model)
    size = settings.data.size
    return (
        settings,
        network,
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, size, size, 1)))["params"],
    )


def test_reference_has_the_layers_of_the_description():
    _, _, params = shapes_of("reference")
    kernels = {
        part: [layer["kernel"].shape for layer in params[part].values()]
        for part in ("encoder", "decoder")
    }
    encoder = [(3, 3, 1, 32), (3, 3, 32, 32), (3, 3, 32, 64), (3, 3, 64, 64), (3, 3, 64, 128)]
    assert kernels["encoder"] == [*encoder, (1, 1, 128, 16)]
    decoder = [(3, 3, 16, 128), (3, 3, 128, 64), (3, 3, 64, 64), (3, 3, 64, 32), (3, 3, 32, 32)]
    assert sorted(kernels["decoder"]) == sorted([*decoder, (3, 3, 32, 1)])
    weights = sum(np.prod(shape) for group in kernels.values() for shape in group)
    biases = 32 + 32 + 64 + 64 + 128 + 16 + 128 + 64 + 64 + 32 + 32 + 1
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == weights + biases


@pytest.mark.parametrize("argument", [None, "reference", "fsq", "smoke"])
def test_code_maps_have_the_shape_that_the_task_says(argument):
    settings, network, params = shapes_of(argument)
    size = settings.data.size
    images = jax.ShapeDtypeStruct((2, size, size, 1), jnp.float32)
    features = jax.eval_shape(
        lambda p, x: network.apply({"params": p}, x, method="encode"), params, images
    )
    assert features.shape == (2, *settings.grid, settings.model.dimension)
    decoded = jax.eval_shape(
        lambda p, x: network.apply({"params": p}, x, method="decode"), params, features
    )
    assert decoded.shape == images.shape


def test_thin_transposed_convolution_is_that_of_flax():
    inputs = jax.random.normal(jax.random.key(0), (2, 6, 5, 7))
    native = nn.ConvTranspose(1, (3, 3))
    params = jax.jit(native.init)(jax.random.key(1), inputs)
    np.testing.assert_allclose(
        vqvae.ThinConvTranspose().apply(params, inputs),
        native.apply(params, inputs),
        rtol=1e-4,
        atol=1e-5,
    )


def test_blocks_become_channels_and_come_back():
    images = jnp.arange(2 * 8 * 12 * 3.0).reshape(2, 8, 12, 3)
    channels = vqvae.blocks_to_channels(images, 4)
    np.testing.assert_array_equal(channels[1, 1, 2].reshape(4, 4, 3), images[1, 4:, 8:])
    np.testing.assert_array_equal(vqvae.channels_to_blocks(channels, 4), images)


def test_untrained_it_is_the_identity_where_nothing_is_quantised():
    """The cosine transform of each block and its inverse; the networks start at zero."""
    images = jax.random.uniform(jax.random.key(0), (2, 16, 16, 1))
    network = vqvae.VQVAE(vqvae.ResidualEncoder(19, 3, 8, 1), vqvae.ResidualDecoder(3, 8, 1))
    params = jax.jit(network.init)(jax.random.key(1), images)
    np.testing.assert_allclose(jax.jit(network.apply)(params, images), images, atol=1e-5)


def test_the_transform_is_that_of_scipy():
    blocks = np.random.default_rng(0).normal(size=(5, 4, 4))
    matrix = np.asarray(vqvae._cosines(jax.random.key(0), (16, 16)))
    expected = np.sort(np.abs(scipy.fft.dctn(blocks, axes=(1, 2), norm="ortho").reshape(5, 16)))
    np.testing.assert_allclose(np.sort(np.abs(blocks.reshape(5, 16) @ matrix)), expected, atol=1e-5)
    first = np.asarray(vqvae._cosines(jax.random.key(0), (16, 3)))
    np.testing.assert_array_equal(first, matrix[:, :3])


def test_empty_blocks_tell_their_place_and_tissue_does_not():
    network = vqvae.ResidualEncoder(18, 2, 4, 1)
    images = jnp.stack([jnp.zeros((16, 16, 1)), jnp.ones((16, 16, 1))])
    params = jax.jit(network.init)(jax.random.key(0), images)
    empty, full = jax.jit(network.apply)(params, images)[..., 16:]
    np.testing.assert_allclose(empty, params["params"]["places"][0], rtol=1e-6)
    assert float(jnp.abs(full).max()) < 0.01
