"""From features to codes by the quantiser of the settings: their vectors, and the loss's terms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from lvae.models import quantizer
from lvae.models.quantizer import Codebook
from lvae.tasks.brain.codec.settings import (
    EmaLoss,
    EmaModel,
    FsqModel,
    GradientLoss,
    GradientModel,
    ModelSettings,
    Settings,
)
from lvae.tasks.task import Variables

Vectors = Float[Array, "n dimension"]


class Quantised(NamedTuple):
    """What the quantiser makes of features.

    vectors: what the decoder gets; gradients pass through to the features. codes: their numbers.
    terms: what the loss adds, per vector. book: the EMA codebook after this step; None without one.
    """

    vectors: Vectors
    codes: Int[Array, " n"]
    terms: Float[Array, " n"]
    book: Codebook | None = None


def code_vectors(model: ModelSettings, variables: Variables) -> Float[Array, "k dimension"]:
    """The vectors that the codes stand for."""
    if isinstance(model, GradientModel):
        return jnp.asarray(variables["params"]["codes"])
    if isinstance(model, EmaModel):
        return jnp.asarray(variables["buffers"]["codebook"]["codes"])
    return quantizer.fsq_codebook(model.levels)


def quantise(
    settings: Settings, params: PyTree, buffers: PyTree, vectors: Vectors, key: Key[Array, ""]
) -> Quantised:
    """Features to codes, while training.

    Args:
      settings: which quantiser, and what its terms weigh.
      params: of the whole task; "codes" where codes are learned by gradients.
      buffers: of the whole task; "codebook" where codes are averages.
      vectors: the encoder's features.
      key: of the codes that take the place of dead ones.
    """
    model, weights = settings.model, settings.loss
    if isinstance(model, FsqModel):
        quantised = quantizer.fsq_quantise(vectors, model.levels)
        codes = quantizer.fsq_codes(jax.lax.stop_gradient(quantised), model.levels)
        return Quantised(quantised, codes, jnp.zeros(len(vectors)))
    if isinstance(weights, GradientLoss):
        return _by_gradient(weights, params["codes"], vectors)
    assert isinstance(model, EmaModel)
    assert isinstance(weights, EmaLoss)
    return _by_averages(model, weights, buffers["codebook"], vectors, key)


def _by_gradient(
    weights: GradientLoss, codebook: Float[Array, "k dimension"], vectors: Vectors
) -> Quantised:
    """[oord2017], eq. 3."""
    still = jax.lax.stop_gradient
    codes = quantizer.nearest(still(vectors), still(codebook))
    chosen = codebook[codes]
    pull = weights.codebook * jnp.mean((still(vectors) - chosen) ** 2, 1)
    stay = weights.commitment * jnp.mean((vectors - still(chosen)) ** 2, 1)
    return Quantised(quantizer.straight_through(vectors, chosen), codes, pull + stay)


def _by_averages(
    model: EmaModel, weights: EmaLoss, book: Codebook, vectors: Vectors, key: Key[Array, ""]
) -> Quantised:
    """[oord2017], appendix A.1; codes that hardly anything chooses are moved."""
    still = jax.lax.stop_gradient
    codes = quantizer.nearest(still(vectors), book["codes"])
    chosen = book["codes"][codes]
    terms = weights.commitment * jnp.mean((vectors - chosen) ** 2, 1)
    if weights.spread:
        spread = quantizer.spread(vectors, book["codes"], weights.temperature)
        terms = terms + weights.spread * spread
    new = quantizer.ema_update(book, still(vectors), codes, model.decay)
    new, _ = quantizer.revive(new, still(vectors), key, model.smallest_share)
    return Quantised(quantizer.straight_through(vectors, chosen), codes, terms, new)
