"""Diagonal normal distributions of codes: their divergence from N(0, I), and draws that have a
gradient."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key


def normal_kl(
    mean: Float[Array, "*batch latents"], log_variance: Float[Array, "*batch latents"]
) -> Float[Array, "*batch latents"]:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) of each dimension, nats ([kingma2014], appendix B).

    Sum over the last axis for the divergence of the whole code.
    """
    return 0.5 * (mean**2 + jnp.exp(log_variance) - 1.0 - log_variance)


def reparameterised(
    key: Key[Array, ""],
    mean: Float[Array, "*batch latents"],
    log_variance: Float[Array, "*batch latents"],
    factor: float | Float[Array, ""] = 1.0,
) -> Float[Array, "*batch latents"]:
    """mean + standard deviation * factor * standard normal noise ([kingma2014], section 2.4).

    Args:
      key: of the noise.
      mean, log_variance: of each dimension.
      factor: of the noise; 1 draws from the distribution itself, 0 gives the mean.
    """
    noise = factor * jax.random.normal(key, mean.shape, mean.dtype)
    return mean + jnp.exp(0.5 * log_variance) * noise


def normal_codes(
    key: Key[Array, ""], indices: Int[np.ndarray, " samples"], latents: int
) -> Float[np.ndarray, "samples latents"]:
    """Standard normal codes, each from `key` and its own index alone: draws of the prior."""
    return np.asarray(_normal(key, jnp.asarray(indices, jnp.int32), latents))


@functools.partial(jax.jit, static_argnums=2)
def _normal(key: Key[Array, ""], indices: Array, latents: int) -> Array:
    return jax.vmap(lambda index: jax.random.normal(jax.random.fold_in(key, index), (latents,)))(
        indices
    )
