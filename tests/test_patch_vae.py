"""The patch networks and the mixture prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.models.patch_vae import MixturePrior, PatchVAE


def parameters(network, size):
    patches = jnp.zeros((2, size, size))
    return jax.jit(network.init)(jax.random.key(0), patches)["params"]


@pytest.mark.parametrize("design", ["dense", "conv"])
def test_shapes_of_both_designs(design):
    network = PatchVAE(size=12, latents=3, hidden=8, design=design, channels=2)
    params = {"params": parameters(network, 12)}
    patches = jax.random.uniform(jax.random.key(1), (5, 12, 12))
    mean, log_variance = network.apply(params, patches, method="encode")
    assert mean.shape == log_variance.shape == (5, 3)
    decoded = network.apply(params, mean, method="decode")
    assert decoded.pixels.shape == (5, 12, 12)
    assert decoded.label.shape == (5,)
    # every parameter takes part
    gradients = jax.grad(
        lambda tree: sum(
            jnp.sum(leaf**2)
            for leaf in (
                *network.apply(
                    {"params": tree},
                    network.apply({"params": tree}, patches, method="encode")[0],
                    method="decode",
                ),
                network.apply({"params": tree}, patches, method="encode")[1],
            )
        )
    )(params["params"])
    assert all(np.abs(leaf).sum() > 0 for leaf in jax.tree.leaves(gradients))


def test_the_dense_design_is_the_reference_s():
    sizes = {name: layer["kernel"].shape for name, layer in parameters(PatchVAE(28, 2), 28).items()}
    assert sizes == {
        "inward": (784, 256),
        "mean": (256, 2),
        "log_variance": (256, 2),
        "outward": (2, 256),
        "pixels": (256, 784),
        "label": (2, 1),
    }


def test_wrong_designs_are_refused():
    with pytest.raises(ValueError, match="deep"):
        PatchVAE(12, 2, design="deep").init(jax.random.key(0), jnp.zeros((1, 12, 12)))
    with pytest.raises(ValueError, match="multiple of 4"):
        PatchVAE(10, 2, design="conv").init(jax.random.key(0), jnp.zeros((1, 10, 10)))


def test_the_mixture_is_a_density():
    prior = MixturePrior(components=3, latents=2)
    params = {
        "means": jnp.array([[0.0, 1.0], [-2.0, 0.5], [1.0, -1.0]]),
        "log_scales": jnp.log(jnp.array([[0.5, 1.0], [0.8, 0.4], [1.2, 0.7]])),
        "weights": jnp.array([0.3, -1.0, 0.5]),
    }
    line = np.arange(-9.0, 9.0, 0.1)
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2).astype(np.float32)
    terms = prior.apply({"params": params}, jnp.asarray(grid))
    assert terms.shape == (len(grid), 3)
    mass = np.exp(np.asarray(terms, np.float64)).sum(0) * 0.01  # the trapezoid rule is exact here
    np.testing.assert_allclose(mass, jax.nn.softmax(params["weights"]), rtol=1e-4)
    mean = (np.exp(terms[:, 1]) @ grid) * 0.01 / mass[1]
    np.testing.assert_allclose(mean, params["means"][1], atol=1e-3)
