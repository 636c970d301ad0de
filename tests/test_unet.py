"""The U-Net: its published size, what a pixel sees, its statistics."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.models.convolving import doubled
from lvae.models.unet import UNet, halved

QUICK = {"xla_backend_optimization_level": 0}  # compiles five times faster


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_size_is_the_published_one():
    """5.5 million at 32 filters."""
    shapes = jax.eval_shape(
        lambda key, images: UNet(32).init(key, images, train=False),
        jax.random.key(0),
        jax.ShapeDtypeStruct((1, 32, 32, 2), jnp.float32),
    )
    assert size(shapes["params"]) == 5_489_026


def test_halving_is_max_pooling_and_doubling_its_size_back():
    images = jax.random.normal(jax.random.key(0), (2, 4, 6, 3))
    np.testing.assert_array_equal(halved(images), nn.max_pool(images, (2, 2), (2, 2)))
    np.testing.assert_array_equal(halved(doubled(images)), images)
    np.testing.assert_array_equal(
        doubled(images), np.repeat(np.repeat(np.asarray(images), 2, 1), 2, 2)
    )


def test_training_updates_the_statistics_and_inference_uses_them():
    module = UNet(2, levels=1)
    images = 3 + 2 * jax.random.normal(jax.random.key(0), (3, 8, 8, 2))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def run(images):
        variables = module.init(jax.random.key(1), images, train=False)
        outputs, new = module.apply(variables, images, train=True, mutable=["batch_stats"])
        still = module.apply(variables, images, train=False)
        alone = module.apply(variables, images[:1], train=False)
        first = nn.Conv(2, (3, 3), use_bias=False).apply(
            {"params": variables["params"]["ConvolutionBlock_0"]["Conv_0"]}, images
        )
        return outputs, new["batch_stats"], still, alone, first

    outputs, statistics, still, alone, first = run(images)
    assert outputs.shape == (3, 8, 8, 2)
    measured = statistics["ConvolutionBlock_0"]["BatchNorm_0"]
    np.testing.assert_allclose(measured["mean"], 0.1 * first.mean((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(measured["var"], 0.9 + 0.1 * first.var((0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(still[:1], alone, rtol=1e-4, atol=1e-5)  # no other image matters


def test_a_pixel_sees_itself_and_far_away():
    """Itself through the skips; beyond the 8 pixels of the first level's convolutions, below."""
    module = UNet(8, levels=2)
    images = jax.random.normal(jax.random.key(0), (1, 16, 16, 2))

    @functools.partial(jax.jit, compiler_options=QUICK)
    def reach(images):
        variables = module.init(jax.random.key(1), images, train=False)
        return jnp.abs(
            jax.grad(lambda x: module.apply(variables, x, train=False)[0, 0, 0].sum())(images)
        ).sum((0, 3))

    seen = np.asarray(reach(images))
    assert seen[0, 0] > 0
    assert np.flatnonzero(seen.any(axis=0)).max() > 8


def test_sizes_that_do_not_halve_are_refused():
    with pytest.raises(ValueError, match=r"40 x 32.*multiples of 16"):
        UNet(2).init(jax.random.key(0), jnp.zeros((1, 40, 32, 2)), train=False)
