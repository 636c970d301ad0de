"""Codes that find classes without labels: two changed copies of an image are to lie together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

FAR = -1e9  # log similarity of a code with itself, which is no pair


def contrast(
    first: Float[Array, "batch latents"], second: Float[Array, "batch latents"], scale: float
) -> Float[Array, ""]:
    """Cross-entropy of picking a code's partner among all others ([chen2020], eq. 1), nats.

    The similarity is that of [boehm2023], 1 / (1 + d^2), d in units of `scale`: its long tail lets a
    plane hold many groups. Distances do not say where the codes lie, and the divergence is too weak
    beside them to say so, so the squared length of the codes' mean is added: it belongs to 0, where
    the prior's is.
    """
    middle = jnp.mean(jnp.concatenate([first, second]), axis=0)
    codes = jnp.concatenate([first, second]) / scale
    squared = ((codes[:, None] - codes[None]) ** 2).sum(-1)
    count = len(first)
    similar = jnp.where(jnp.eye(2 * count, dtype=bool), FAR, -jnp.log1p(squared))
    partner = jnp.concatenate([jnp.diagonal(similar, count), jnp.diagonal(similar, -count)])
    return jnp.mean(jax.nn.logsumexp(similar, axis=1) - partner) + jnp.sum(middle**2)
