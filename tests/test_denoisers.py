"""The denoising networks: shapes, sizes, and what each pixel of the output may depend on."""

import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.models import denoisers

KEY = jax.random.key(0)
IMAGES = jax.random.uniform(jax.random.key(1), (2, 28, 28, 1))


def parameters(module, images=IMAGES):
    shapes = jax.eval_shape(module.init, KEY, images)
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))


def test_the_reference_network_has_the_layers_of_the_reference():
    """Kernels 3 x 3 x inputs x outputs and a bias each, layer by layer."""
    layers = [(1, 16), (16, 8), (8, 8), (8, 8), (8, 8), (8, 16), (16, 1)]
    module = denoisers.PyramidDenoiser()
    assert parameters(module) == sum(9 * a * b + b for a, b in layers) == 4385
    _, state = jax.eval_shape(
        lambda key, x: module.init_with_output(key, x, capture_intermediates=True), KEY, IMAGES
    )
    sides = [state["intermediates"][f"Conv_{i}"]["__call__"][0].shape[1] for i in range(7)]
    assert sides == [28, 14, 7, 4, 8, 14, 28]
    bottleneck = state["intermediates"]["Conv_3"]["__call__"][0].shape
    assert np.prod(bottleneck[1:]) == 128


def test_the_reference_mlp_has_the_widths_of_the_reference():
    widths = [784, 256, 128, 128, 64, 128, 128, 256, 784]
    module = denoisers.MlpDenoiser((256, 128, 128, 64, 128, 128, 256))
    assert parameters(module) == sum(a * b + b for a, b in itertools.pairwise(widths))


def test_the_hourglass_takes_any_size_and_every_pixel_sees_every_other():
    module = denoisers.HourglassDenoiser(4, (20, 20))
    images = jax.random.normal(jax.random.key(2), (2, 11, 14, 1))
    params = jax.jit(module.init)(KEY, images)

    gradient = jax.jit(jax.grad(lambda x: module.apply(params, x).logits[0, 0, 0, 0]))(images)
    assert jax.eval_shape(module.apply, params, images).logits.shape == images.shape
    # relu hides some pixels, but the far corner's quarter is seen, and no other image is
    assert np.any(gradient[0, 6:, 7:] != 0)
    assert not np.any(gradient[1])


@pytest.mark.parametrize(
    "module", [denoisers.ResidualDenoiser(4, 1), denoisers.HourglassDenoiser(4, (20,), blend=True)]
)
def test_networks_that_blend_take_any_size_and_start_near_their_input(module):
    images = jax.random.uniform(jax.random.key(2), (2, 11, 14, 1))
    params = jax.jit(module.init)(KEY, images)
    found = jax.jit(module.apply)(params, images)
    assert found.logits.shape == found.noise.shape == images.shape
    assert np.all(found.noise > denoisers.ROUNDING)
    # Parameters of the estimate say that there is no noise: then nothing is changed.
    estimate = params["params"]["NoiseLevel_0"]["Dense_2"]
    estimate["kernel"] = jnp.zeros_like(estimate["kernel"])
    estimate["bias"] = jnp.full_like(estimate["bias"], -20.0)
    found = jax.jit(module.apply)(params, images)
    np.testing.assert_allclose(nn.sigmoid(found.logits), images, atol=0.5 / 255)
    np.testing.assert_allclose(found.noise, denoisers.ROUNDING, rtol=1e-4)


def test_a_residual_network_has_half_a_say_at_usual_noise_from_the_start():
    """Else no gradient reaches it."""
    module = denoisers.ResidualDenoiser(4, 1)
    images = jax.random.uniform(jax.random.key(2), (1, 8, 8, 1), minval=0.1, maxval=0.9)
    params = jax.jit(module.init)(KEY, images)["params"]
    estimate, outputs = params["NoiseLevel_0"]["Dense_2"], params["Conv_2"]
    estimate["kernel"], outputs["kernel"] = (
        jnp.zeros_like(layer["kernel"]) for layer in (estimate, outputs)
    )
    estimate["bias"] = jnp.full(4, np.log(denoisers.FIRST_ERROR))
    outputs["bias"] = outputs["bias"].at[:4].set(2.0)  # of the change
    found = nn.sigmoid(jax.jit(module.apply)({"params": params}, images).logits)
    own = nn.sigmoid(jnp.log(images / (1 - images)) + 2.0)
    np.testing.assert_allclose(found, (images + own) / 2, atol=0.01)


def test_the_noise_of_an_image_is_told_by_that_image_alone():
    module = denoisers.ResidualDenoiser(4, 1)
    images = jax.random.uniform(jax.random.key(2), (2, 16, 16, 1))
    params = jax.jit(module.init)(KEY, images)
    both = jax.jit(module.apply)(params, images)
    other = jax.jit(module.apply)(params, images.at[1].set(0.0))
    for one, changed in zip(both, other):
        np.testing.assert_array_equal(one[0], changed[0])
        assert np.any(one[1] != changed[1])


def test_blending_is_the_mean_weighted_by_inverse_squared_errors():
    """Of two measurements of a pixel: 0.2 with error 0.1, 0.8 with error 0.3."""
    images, blocks = jnp.full((1, 3, 5, 1), 0.2), jnp.zeros((1, 2, 3, 4))
    noise = 0.1 - denoisers.ROUNDING
    found = denoisers._blended(
        images, blocks + np.log(0.8 / 0.2), blocks + np.log(0.3), blocks + np.log(noise)
    )
    assert found.logits.shape == images.shape
    expected = (0.2 / 0.1**2 + 0.8 / 0.3**2) / (1 / 0.1**2 + 1 / 0.3**2)
    np.testing.assert_allclose(nn.sigmoid(found.logits), expected, rtol=1e-5)
    np.testing.assert_allclose(found.noise, 0.1, rtol=1e-5)


def test_unshuffling_is_undone_by_shuffling_and_keeps_blocks_together():
    images = jax.random.uniform(KEY, (2, 6, 8, 3))
    small = denoisers._unshuffled(images)
    assert small.shape == (2, 3, 4, 12)
    np.testing.assert_array_equal(
        np.sort(small[1, 2, 1]), np.sort(np.asarray(images[1, 4:6, 2:4]).ravel())
    )
    np.testing.assert_array_equal(denoisers._shuffled(small), images)


def test_what_a_noisy_pixel_proves_is_true():
    """Uniform noise on black: the clean pixel lies between the bounds, often close ones."""
    clean = jnp.zeros((1, 28, 28, 1)).at[0, 10:18, 10:18].set(0.8)
    noise = jax.random.uniform(KEY, clean.shape, minval=-0.6, maxval=0.6)
    _, lower, spare, darkest = np.moveaxis(np.asarray(denoisers._evidence(clean + noise))[0], -1, 0)
    half_range = -darkest[0, 0]
    assert 0.59 < half_range <= 0.6  # 720 draws: above 0.59 but for a chance of e^-6
    slack = 0.6 - half_range + 1e-6  # the darkest pixel tells the half-range only so well
    ink = np.asarray(clean)[0, ..., 0]
    assert np.all(ink >= lower - slack)
    assert np.all(ink <= 1.0 - spare + slack)
    assert np.mean(lower[10:18, 10:18] > 0) > 0.4  # two thirds of the ink are expected
    assert np.mean(spare[:10] > 0) > 0.6  # five sixths of the ground
