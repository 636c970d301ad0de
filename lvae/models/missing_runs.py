"""Which points of a grid go missing, and that neighbours do so together.

A point is seen where its score, a decoder's logit plus noise, is above 0. Noise that is independent
from point to point loses points one by one; in frames a strand of mucus or a highlight takes
several. Here the noise is a Gaussian copula: logistic at every point, so that a logit keeps its
meaning, and its normal scores are a field whose correlation falls geometrically along rows and along
columns.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Key


class MissingLaw(NamedTuple):
    """score = logit + offset + spread * noise. along_row, along_column: correlation of the normal
    scores of neighbours, in [0, 1)."""

    offset: float
    spread: float
    along_row: float
    along_column: float


INDEPENDENT = MissingLaw(0.0, 1.0, 0.0, 0.0)  # a Bernoulli draw of every point by itself


def visibility_noise(
    key: Key[Array, ""], law: MissingLaw, rows: int, columns: int
) -> Float[Array, "rows columns"]:
    """What one frame's logits get: offset + spread * noise."""
    normal = jax.random.normal(key, (rows, columns))
    upward, across = correlated(law.along_column, rows), correlated(law.along_row, columns)
    field = jnp.einsum("ri,ij,cj->rc", upward, normal, across)
    return law.offset + law.spread * (norm.logcdf(field) - norm.logcdf(-field))


def correlated(correlation: float | Float[Array, ""], length: int) -> Float[Array, "length length"]:
    """The lower Cholesky factor of the matrix `correlation ** |i - j|`: of a stationary first-order
    autoregression."""
    place = jnp.arange(length)
    apart = place[:, None] - place[None, :]
    fresh = jnp.where(place == 0, 1.0, jnp.sqrt(1.0 - jnp.square(correlation)))
    power = jnp.power(jnp.float32(correlation), jnp.maximum(apart, 0).astype(jnp.float32))
    return jnp.where(apart >= 0, power * fresh[None, :], 0.0)
