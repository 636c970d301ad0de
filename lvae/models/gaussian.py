"""Diagonal normal distributions of codes: their divergence from N(0, I), and draws that have a
gradient."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


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
