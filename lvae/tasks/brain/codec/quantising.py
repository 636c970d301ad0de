"""From features to codes by the quantiser of a config: their vectors, and the loss's terms."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lvae.models import quantizer
from lvae.tasks.interface import Variables
from lvae.tasks.vqvae.settings import LossConfig, ModelConfig


def codes_of(model: ModelConfig, variables: Variables) -> Float[Array, "k dimension"]:
    """The vectors that the codes stand for."""
    if model.quantizer == "gradient":
        return variables["params"]["codes"]
    if model.quantizer == "ema":
        return variables["buffers"]["codebook"]["codes"]
    return quantizer.fsq_codebook(model.levels)


def quantise(
    model: ModelConfig,
    weights: LossConfig,
    params: Any,
    book: Any,
    vectors: Float[Array, "n dimension"],
    key: Array,
) -> tuple[Array, Array, Array, Any]:
    """What the decoder gets of some features, and what the loss adds for it.

    Args:
      model, weights: say which quantiser, and what its terms weigh.
      params: of the whole task; "codes" where codes are learned by gradients.
      book: the EMA codebook, or None.
      vectors: the encoder's features.
      key: of the codes that take the place of dead ones.

    Returns:
      Quantised vectors (N, D), through which gradients reach the features; codes (N,); the
      quantiser's terms of the loss (N,); the codebook after this step, or `book` as it was.
    """
    still = jax.lax.stop_gradient
    if model.quantizer == "fsq":
        quantised = quantizer.fsq_quantise(vectors, model.levels)
        codes = quantizer.fsq_codes(still(quantised), model.levels)
        return quantised, codes, jnp.zeros(len(vectors)), book
    if model.quantizer == "gradient":
        codes = quantizer.nearest(still(vectors), still(params["codes"]))
        chosen = params["codes"][codes]
        pull = weights.codebook * jnp.mean((still(vectors) - chosen) ** 2, 1)
        stay = weights.commitment * jnp.mean((vectors - still(chosen)) ** 2, 1)
        return quantizer.straight_through(vectors, chosen), codes, pull + stay, book
    codes = quantizer.nearest(still(vectors), book["codes"])
    chosen = book["codes"][codes]
    terms = weights.commitment * jnp.mean((vectors - chosen) ** 2, 1)
    if weights.spread:
        spread = quantizer.spread(vectors, book["codes"], weights.temperature)
        terms = terms + weights.spread * spread
    new = quantizer.ema_update(book, still(vectors), codes, model.decay)
    new, _ = quantizer.revive(new, still(vectors), key, model.smallest_share)
    return quantizer.straight_through(vectors, chosen), codes, terms, dict(new)
