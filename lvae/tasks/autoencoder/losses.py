"""What each design minimises, and the quantities behind it."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from lvae.models import autoencoders
from lvae.tasks.autoencoder.settings import LossSettings, Settings

Parts = dict[str, Array]
Images = Float[Array, "batch height width 1"]


def module(settings: Settings, pixels: int) -> Any:
    """The network of a design for images of that many pixels."""
    model = settings.model
    if model.design == "concrete":
        return autoencoders.ConcreteAutoencoder(model.code, model.hidden, pixels)
    if model.design == "variational":
        return autoencoders.VariationalAutoencoder(model.hidden, model.code, pixels)
    return autoencoders.CodeAutoencoder(model.hidden, model.code, pixels)


def parts_of(
    settings: Settings,
    variables: Any,
    noisy: Images,
    clean: Images,
    key: Key[Array, ""],
    step: Array,
) -> tuple[Array, Parts]:
    """The loss and its parts. `reconstruction` is the mean cross-entropy a pixel, in nats."""
    network, weights = module(settings, clean[0].size), settings.loss
    target = clean.reshape(clean.shape[0], -1)
    design = settings.model.design
    params = {"params": variables["params"]}
    extra: Parts = {}
    penalty: Array | float = 0.0
    if design == "variational":
        logits, mean, log_variance = network.apply(params, noisy, key)
        extra["divergence"] = normal_divergence(mean, log_variance)
        penalty = weights.divergence * jnp.mean(extra["divergence"]) / target.shape[1]
    elif design == "concrete":
        logits = _concrete_logits(settings, network, variables, noisy, key, step)
    else:
        logits, code = network.apply(params, noisy)
        extra["activation"] = jnp.mean(code, axis=1)
        if design == "sparse":
            extra["sparsity"] = bernoulli_divergence(weights.target_activation, code)
            penalty = weights.sparsity * extra["sparsity"] / target.shape[1]
        else:
            extra["jacobian"] = jacobian_norms(network, params, target)
            penalty = weights.contraction * jnp.mean(extra["jacobian"]) / target.shape[1]
    cross_entropy = jnp.mean(optax.sigmoid_binary_cross_entropy(logits, target), axis=1)
    squared_error = jnp.mean((jax.nn.sigmoid(logits) - target) ** 2, axis=1)
    parts = {"reconstruction": cross_entropy, "squared_error": squared_error} | extra
    return jnp.mean(cross_entropy) + penalty, parts


def jacobian_norms(network: Any, params: Any, flat: Float[Array, "batch pixels"]) -> Array:
    """Squared Frobenius norm of the code's Jacobian by the input, (batch,), exact."""

    def one(image: Array) -> Array:
        return network.apply(params, image, method="encode")

    jacobian = jax.vmap(jax.jacrev(one))(flat)
    return jnp.sum(jacobian**2, axis=(1, 2))


def bernoulli_divergence(target: float, activations: Float[Array, "batch units"]) -> Array:
    """KL(Bernoulli(target) || Bernoulli(mean activation)), summed over the units, in nats."""
    mean = jnp.clip(jnp.mean(activations, axis=0), 1e-6, 1.0 - 1e-6)
    active = target * (math.log(target) - jnp.log(mean))
    silent = (1.0 - target) * (math.log(1.0 - target) - jnp.log1p(-mean))
    return jnp.sum(active + silent)


def normal_divergence(
    mean: Float[Array, "batch latents"], log_variance: Float[Array, "batch latents"]
) -> Float[Array, " batch"]:
    """KL(N(mean, variance) || N(0, 1)), summed over the dimensions, in nats."""
    return 0.5 * jnp.sum(mean**2 + jnp.exp(log_variance) - 1.0 - log_variance, axis=-1)


def temperature(weights: LossSettings, step: Array) -> Array:
    """Falls from the first to the last by an equal factor a step, then stays."""
    share = jnp.minimum(step / weights.annealing_steps, 1.0)
    ratio = weights.last_temperature / weights.first_temperature
    return weights.first_temperature * ratio**share


def _concrete_logits(
    settings: Settings, network: Any, variables: Any, images: Images, key: Any, step: Array
) -> Array:
    """From drawn selections, or from the fixed pixels where they are not learned."""
    params = {"params": variables["params"]}
    if settings.model.selection == "learned":
        return network.apply(params, images, key, temperature(settings.loss, step))
    flat = images.reshape(images.shape[0], -1)
    values = flat[:, variables["buffers"]["pixels"]]
    return network.apply(params, values, method="decode")
