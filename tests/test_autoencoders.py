"""Regularised autoencoders: what each design promises, in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from configs import autoencoder as configs
from lvae.models import autoencoders
from lvae.tasks import autoencoder
from lvae.tasks.autoencoder import losses, measures
from lvae.tasks.autoencoder.settings import read

KEY = jax.random.key(0)


def test_the_jacobian_norm_is_the_closed_form_of_a_sigmoid_layer():
    """d sigmoid(W x + b)_j / dx_i = h_j (1 - h_j) W_ij."""
    network = autoencoders.CodeAutoencoder((), 5, 12)
    flat = jax.random.uniform(KEY, (3, 12))
    params = network.init(KEY, flat.reshape(3, 3, 4, 1))
    kernel = np.asarray(params["params"]["encoder_0"]["kernel"])
    code = np.asarray(network.apply(params, flat, method="encode"))
    expected = np.sum(((code * (1 - code))[:, None, :] * kernel[None]) ** 2, axis=(1, 2))
    found = jax.jit(lambda x: losses.jacobian_norms(network, params, x))(flat)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_jacobian_norm_has_a_gradient():
    network = autoencoders.CodeAutoencoder((7,), 4, 12)
    flat = jax.random.uniform(KEY, (2, 12))
    params = network.init(KEY, flat.reshape(2, 3, 4, 1))

    @jax.jit
    def norm(params):
        return jnp.sum(losses.jacobian_norms(network, params, flat))

    gradient = jax.jit(jax.grad(norm))(params)["params"]
    assert all(np.any(gradient[name]["kernel"] != 0) for name in ("encoder_0", "encoder_1"))


def test_bernoulli_divergence_is_that_of_scipy():
    activations = jax.random.uniform(KEY, (6, 3))
    mean = np.asarray(activations, np.float64).mean(axis=0)
    expected = sum(stats.entropy([0.05, 0.95], [m, 1 - m]) for m in mean)
    assert float(losses.bernoulli_divergence(0.05, activations)) == pytest.approx(expected)
    level = jnp.full((6, 3), 0.05)
    assert float(losses.bernoulli_divergence(0.05, level)) == pytest.approx(0.0, abs=1e-6)


def test_normal_divergence_is_the_integral():
    mean, log_variance = jnp.array([[0.3, -1.0]]), jnp.array([[0.5, -0.7]])
    x = np.linspace(-12, 12, 20001)
    expected = 0.0
    for m, v in zip(mean[0], np.exp(log_variance[0])):
        q = stats.norm(m, np.sqrt(v))
        expected += np.trapezoid(q.pdf(x) * (q.logpdf(x) - stats.norm.logpdf(x)), x)
    assert float(losses.normal_divergence(mean, log_variance)[0]) == pytest.approx(
        expected, rel=1e-5
    )


def test_the_concrete_selection_sharpens_to_the_chosen_pixels():
    network = autoencoders.ConcreteAutoencoder(3, (4,), 12)
    images = jax.random.uniform(KEY, (2, 3, 4, 1))
    params = network.init(KEY, images, KEY, 1.0)["params"]
    params["selector"] = 50.0 * jax.nn.one_hot(jnp.array([7, 0, 7]), 12)
    variables = {"params": params}
    np.testing.assert_array_equal(network.apply(variables, method="chosen"), [7, 0, 7])
    np.testing.assert_allclose(network.apply(variables, method="certainty"), 1.0, rtol=1e-5)
    drawn = network.apply(variables, images, jax.random.key(1), 0.1)
    exact = network.apply(variables, images.reshape(2, 12)[:, [7, 0, 7]], method="decode")
    np.testing.assert_allclose(drawn, exact, rtol=1e-5)


def test_the_temperature_falls_by_an_equal_factor_and_stays():
    settings = read(configs.get_config("concrete")).loss
    steps = jnp.array([0, 1750, 3500, 9000])
    found = jax.vmap(lambda step: losses.temperature(settings, step))(steps)
    np.testing.assert_allclose(found, [10.0, 1.0, 0.1, 0.1], rtol=1e-5)


def test_the_pixels_of_highest_variance():
    images = np.zeros((4, 2, 3, 1), np.float32)
    images[::2, 0, 1], images[::2, 1, 2], images[::2, 0, 0] = 1.0, 0.5, 0.2
    np.testing.assert_array_equal(measures.variance_pixels(images, 2), [1, 5])


def test_the_linear_map_reads_pixels_exactly_where_it_can():
    generator = np.random.default_rng(0)
    flat = generator.random((200, 6)).astype(np.float32)
    flat[:, 3:] = flat[:, :3] @ generator.random((3, 3)).astype(np.float32)
    assert measures._linear_error(flat, flat, np.arange(3)) < 1e-4
    assert measures._linear_error(flat, flat, np.arange(2)) > 1e-3


@pytest.mark.parametrize("design", configs.DESIGNS)
def test_a_step_has_a_finite_loss_and_evaluation_its_numbers(design, tmp_path):
    config = configs.get_config(f"{design}:smoke")
    splits = autoencoder.load_data(config)
    variables = jax.jit(lambda key: autoencoder.init(config, splits, key))(KEY)
    batch = {"image": jnp.asarray(splits["train"]["image"][:4])}
    loss = autoencoder.make_loss(config, splits)
    (value, (parts, _)), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        variables["params"], variables["buffers"], batch, KEY, jnp.int32(0)
    )
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    assert parts["reconstruction"].shape == (4,)
    result = autoencoder.evaluate(config, variables, splits)
    own = {
        "sparse": "active_share",
        "contractive": "jacobian_norm",
        "concrete": "linear_mse",
        "variational": "divergence",
    }
    assert {"psnr", "ssim", "mse", own[design]} <= set(result)
    assert all(np.isfinite(value) for value in result.values())


def test_fixed_pixels_are_those_of_highest_variance():
    config = configs.get_config("concrete:smoke")
    config.model.selection = "variance"
    splits = autoencoder.load_data(config)
    variables = autoencoder.init(config, splits, KEY)
    expected = measures.variance_pixels(measures.to_images(splits["train"]["image"]), 8)
    np.testing.assert_array_equal(variables["buffers"]["pixels"], expected)


def test_an_unknown_argument_lists_the_known():
    with pytest.raises(ValueError, match="unknown argument 'denoising'; known: sparse, contract"):
        configs.get_config("denoising")
