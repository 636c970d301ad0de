"""Codes drawn from a `PixelCNN` in raster order, in one scan with caches."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from lvae.models.causal_layers import Index, Rows
from lvae.models.pixelcnn import Caches, PixelCNN
from lvae.models.plan_reader import Plan


def sample_cached(
    model: PixelCNN,
    params: PyTree[Array],
    keys: Key[Array, " batch"],
    codes: Int[Array, "batch rows columns"],
    redraw: Bool[Array, "batch rows columns"],
    temperature: float | Float[Array, ""] = 1.0,
    top_k: int = 0,
    min_p: float = 0.0,
    plan: Plan | None = None,
) -> Int[Array, "batch rows columns"]:
    """Draws the codes under `redraw`, position by position, in one scan with caches.

    Args:
      model, params: the prior.
      keys: one per sample.
      codes: kept where `redraw` is false.
      redraw: all true: new maps.
      temperature, top_k, min_p: see `draw`.
      plan: of a model with a reader; it is read once, before the scan.
    """
    batch, rows, columns = codes.shape
    variables = {"params": params}
    guide: Any = model.apply(variables, plan, method="guide")

    def one(caches: Caches, position: tuple[Array, Array, Array]) -> tuple[Caches, Array]:
        index, known, free = position
        place = (index // columns, index % columns)
        stepped: Any = model.apply(variables, caches, place, guide, method="step")
        caches, logits = stepped
        drawn = draw(logits, _noise(keys, index, model.size), temperature, top_k, min_p)
        chosen = jnp.where(free, drawn, known)
        kept: Any = model.apply(variables, caches, chosen, place, method="put")
        return kept, chosen

    caches: Any = model.apply(variables, batch, method="start")
    flat, free = codes.reshape(batch, -1).T, redraw.reshape(batch, -1).T
    _, drawn = jax.lax.scan(one, caches, (jnp.arange(rows * columns), flat, free))
    return drawn.T.reshape(codes.shape)


def draw(
    logits: Rows, noise: Rows, temperature: float | Float[Array, ""], top_k: int, min_p: float
) -> Int[Array, " batch"]:
    """One code per row, by the Gumbel trick.

    Of the `top_k` likeliest codes only (0: of all), and of those that are at least `min_p` times as
    likely as the likeliest ([nguyen2025]; 0: of all): where the prior is sure this drops what it
    all but rules out, where it is not sure nearly nothing.
    """
    if top_k:
        lowest = jax.lax.top_k(logits, top_k)[0][:, -1:]
        logits = jnp.where(logits < lowest, -jnp.inf, logits)
    if min_p:
        least = jnp.max(logits, axis=-1, keepdims=True) + jnp.log(min_p)
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return jnp.argmax(logits + temperature * noise, axis=-1).astype(jnp.int32)


def _noise(keys: Key[Array, " batch"], index: Index, size: int) -> Rows:
    """Gumbel noise of one position: of each sample's own key."""
    folded = jax.vmap(jax.random.fold_in, (0, None))(keys, index)
    return jax.vmap(lambda key: jax.random.gumbel(key, (size,)))(folded)
