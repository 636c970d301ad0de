"""What each design minimises, and the quantities behind it."""

import math

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from lvae.imaging.levels import Images, from_levels
from lvae.models.autoencoders import (
    CodeAutoencoder,
    ConcreteAutoencoder,
    VariationalAutoencoder,
)
from lvae.models.gaussian import normal_kl
from lvae.tasks.images.autoencoder.network import Network, apply, network
from lvae.tasks.images.autoencoder.settings import (
    ConcreteLoss,
    ContractiveLoss,
    Settings,
    SparseLoss,
    VariationalLoss,
)
from lvae.tasks.images.corruption import corrupt_batch
from lvae.tasks.task import LossFunction, Spec, Variables

Parts = dict[str, Array]
Penalised = tuple[Float[Array, "batch pixels"], Float[Array, ""] | float, Parts]
Weights = SparseLoss | ContractiveLoss | ConcreteLoss | VariationalLoss


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Cross-entropy of the reconstruction and the design's own term."""
    module = network(settings, spec)

    def value(params, buffers, batch, key, step):  # type: ignore[no-untyped-def]  # LossFunction
        noise_key, code_key = jax.random.split(key)
        clean = from_levels(batch["image"])[..., None]
        noisy = corrupt_batch(noise_key, clean, settings.corruption)
        variables = {"params": params, "buffers": buffers}
        total, parts = parts_of(module, settings.loss, variables, noisy, clean, code_key, step)
        return total, (parts, buffers)

    return value


def parts_of(
    module: Network,
    weights: Weights,
    variables: Variables,
    noisy: Images,
    clean: Images,
    key: Key[Array, ""],
    step: Int[Array, ""],
) -> tuple[Float[Array, ""], Parts]:
    """The loss and its parts. `reconstruction` is the mean cross-entropy per pixel, in nats."""
    if isinstance(module, VariationalAutoencoder):
        assert isinstance(weights, VariationalLoss)
        logits, penalty, extra = _variational(module, weights, variables, noisy, key)
    elif isinstance(module, ConcreteAutoencoder):
        assert isinstance(weights, ConcreteLoss)
        logits = _concrete(module, weights, variables, noisy, key, step)
        penalty, extra = 0.0, {}
    else:
        assert isinstance(weights, SparseLoss | ContractiveLoss)
        logits, penalty, extra = _coded(module, weights, variables, noisy, clean)
    target = clean.reshape(clean.shape[0], -1)
    cross_entropy = jnp.mean(optax.sigmoid_binary_cross_entropy(logits, target), axis=1)
    squared_error = jnp.mean((jax.nn.sigmoid(logits) - target) ** 2, axis=1)
    parts = {"reconstruction": cross_entropy, "squared_error": squared_error} | extra
    return jnp.mean(cross_entropy) + penalty, parts


def _variational(
    module: VariationalAutoencoder,
    weights: VariationalLoss,
    variables: Variables,
    noisy: Images,
    key: Key[Array, ""],
) -> Penalised:
    logits, mean, log_variance = apply(module, variables, noisy, key)
    divergence = jnp.sum(normal_kl(mean, log_variance), axis=-1)
    penalty = weights.divergence * jnp.mean(divergence) / module.pixels
    return logits, penalty, {"divergence": divergence}


def _concrete(
    module: ConcreteAutoencoder,
    weights: ConcreteLoss,
    variables: Variables,
    noisy: Images,
    key: Key[Array, ""],
    step: Int[Array, ""],
) -> Float[Array, "batch pixels"]:
    """Logits from drawn selections, or from the fixed pixels where they are not learned."""
    if "pixels" not in variables["buffers"]:
        return apply(module, variables, noisy, key, temperature(weights, step))
    flat = noisy.reshape(noisy.shape[0], -1)
    return apply(module, variables, flat[:, variables["buffers"]["pixels"]], method="decode")


def _coded(
    module: CodeAutoencoder,
    weights: SparseLoss | ContractiveLoss,
    variables: Variables,
    noisy: Images,
    clean: Images,
) -> Penalised:
    logits, code = apply(module, variables, noisy)
    extra = {"activation": jnp.mean(code, axis=1)}
    if isinstance(weights, SparseLoss):
        extra["sparsity"] = bernoulli_divergence(weights.target_activation, code)
        return logits, weights.sparsity * extra["sparsity"] / module.pixels, extra
    extra["jacobian"] = jacobian_norms(module, variables, clean.reshape(clean.shape[0], -1))
    return logits, weights.contraction * jnp.mean(extra["jacobian"]) / module.pixels, extra


def jacobian_norms(
    module: CodeAutoencoder, variables: Variables, flat: Float[Array, "batch pixels"]
) -> Float[Array, " batch"]:
    """Squared Frobenius norm of the code's Jacobian by the input, exact ([rifai2011])."""

    def one(image: Array) -> Array:
        return apply(module, variables, image, method="encode")

    jacobian = jax.vmap(jax.jacrev(one))(flat)
    return jnp.sum(jacobian**2, axis=(1, 2))


def bernoulli_divergence(
    target: float, activations: Float[Array, "batch units"]
) -> Float[Array, ""]:
    """KL(Bernoulli(target) || Bernoulli(mean activation)), summed over the units, in nats."""
    mean = jnp.clip(jnp.mean(activations, axis=0), 1e-6, 1.0 - 1e-6)
    active = target * (math.log(target) - jnp.log(mean))
    silent = (1.0 - target) * (math.log(1.0 - target) - jnp.log1p(-mean))
    return jnp.sum(active + silent)


def temperature(weights: ConcreteLoss, step: Int[Array, ""]) -> Float[Array, ""]:
    """Falls from the first to the last by an equal factor per step, then stays ([balin2019])."""
    share = jnp.minimum(step / weights.annealing_steps, 1.0)
    ratio = weights.last_temperature / weights.first_temperature
    return weights.first_temperature * ratio**share
