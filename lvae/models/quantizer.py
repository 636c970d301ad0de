"""Vector quantisation as pure functions: nearest code, EMA codebook, k-means start, revival, FSQ.

Vectors are (N, D), a codebook is (K, D), codes are int32 (N,). The EMA codebook is a dict of arrays
(`Codebook`) that its owner carries along; gradients never reach it.
"""

import math
from typing import TypedDict

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

Vectors = Float[Array, "n dimension"]
Codes = Int[Array, " n"]


class Codebook(TypedDict):
    """codes: (K, D). counts: (K,), averaged uses per step. sums: (K, D), averaged sums of the
    vectors that chose a code; a code is its sum over its count."""

    codes: Array
    counts: Array
    sums: Array


def squared_distances(vectors: Vectors, codes: Float[Array, "k dimension"]) -> Array:
    """(N, K), as |v|^2 - 2 v.c + |c|^2: one matrix product."""
    products = vectors @ codes.T
    return (
        jnp.sum(vectors**2, 1, keepdims=True) - 2 * products + jnp.sum(codes**2, 1)[None]
    )  # may be -1e-7 where equal


def nearest(vectors: Vectors, codes: Float[Array, "k dimension"]) -> Codes:
    """The code nearest in Euclidean distance; the lowest index among equals."""
    # |v|^2 is the same for all codes: without it fewer digits cancel
    score = vectors @ codes.T - 0.5 * jnp.sum(codes**2, 1)[None]
    return jnp.argmax(score, axis=1).astype(jnp.int32)


def straight_through(vectors: Array, quantised: Array) -> Array:
    """The value of `quantised` with the gradient of `vectors` ([oord2017], section 3.2)."""
    return vectors + jax.lax.stop_gradient(quantised - vectors)


def codebook_from(codes: Float[Array, "k dimension"], count: float) -> Codebook:
    """An EMA codebook that stands at `codes`, each with the weight of `count` uses per step."""
    return Codebook(codes=codes, counts=jnp.full(codes.shape[0], count), sums=codes * count)


def kmeans(
    vectors: Vectors, size: int, key: Key[Array, ""], iterations: int
) -> Float[Array, "k dimension"]:
    """Centres of `size` clusters: k-means++ ([arthur2007]), then Lloyd's iterations
    ([lloyd1982]).

    A cluster that loses all its vectors takes a vector far from every centre. With fewer vectors
    than clusters some centres coincide.
    """
    count = vectors.shape[0]

    def choose(index: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        """One more start, drawn with the squared distance to the nearest one so far."""
        distances, chosen = carry
        noise = jax.random.gumbel(jax.random.fold_in(key, index), (count,))
        new = jnp.argmax(jnp.log(distances + 1e-12) + noise)
        apart = jnp.sum((vectors - vectors[new][None]) ** 2, 1)
        return jnp.minimum(distances, apart), chosen.at[index].set(new)

    start = (jnp.full(count, 1e6), jnp.zeros(size, jnp.int32))
    chosen = jax.lax.fori_loop(0, size, choose, start)[1]

    def iterate(_: Array, centres: Array) -> Array:
        codes = nearest(vectors, centres)
        uses, sums = _totals(vectors, codes, size)
        means = sums / jnp.maximum(uses, 1)[:, None]
        errors = jnp.sum((vectors - centres[codes]) ** 2, 1)
        far = jax.lax.top_k(errors, min(size, count))[1]
        # the n-th empty cluster takes the n-th farthest vector
        rank = jnp.cumsum(uses == 0) - 1
        return jnp.where((uses > 0)[:, None], means, vectors[far[rank % far.shape[0]]])

    return jax.lax.fori_loop(0, iterations, iterate, vectors[chosen])


def ema_update(book: Codebook, vectors: Vectors, codes: Codes, decay: float) -> Codebook:
    """One step of the exponential averages ([oord2017], appendix A.1; [razavi2019]).

    A code that nothing chose keeps its place: its sum and count shrink alike.
    """
    uses, sums = _totals(vectors, codes, book["counts"].shape[0])
    counts = decay * book["counts"] + (1 - decay) * uses
    sums = decay * book["sums"] + (1 - decay) * sums
    return Codebook(codes=sums / jnp.maximum(counts, 1e-8)[:, None], counts=counts, sums=sums)


def revive(
    book: Codebook, vectors: Vectors, key: Key[Array, ""], smallest_share: float
) -> tuple[Codebook, Array]:
    """Moves codes that are hardly used onto vectors of the batch.

    A code counts as dead when its averaged share of the uses falls under `smallest_share` of a fair
    share (1 / K). Sum and count move with it, to the weight of one fair share: were they left, the
    next average would put the code back where it was.

    Returns:
      The codebook, and how many codes were moved.
    """
    size = book["counts"].shape[0]
    fair = jnp.sum(book["counts"]) / size
    dead = book["counts"] < smallest_share * fair
    chosen = jax.random.choice(key, vectors.shape[0], (size,), replace=vectors.shape[0] < size)
    fresh = vectors[chosen]
    counts = jnp.where(dead, fair, book["counts"])
    codes = jnp.where(dead[:, None], fresh, book["codes"])
    sums = jnp.where(dead[:, None], fresh * fair, book["sums"])
    return Codebook(codes=codes, counts=counts, sums=sums), jnp.sum(dead)


def _totals(vectors: Vectors, codes: Codes, size: int) -> tuple[Array, Array]:
    """How often each code was chosen, and the sum of the vectors that chose it."""
    chosen = jax.nn.one_hot(codes, size, dtype=vectors.dtype)  # a product beats scattered additions
    return jnp.sum(chosen, 0), chosen.T @ vectors


# ---------------------------------------------------------------- finite scalar quantisation


def fsq_size(levels: tuple[int, ...]) -> int:
    """How many codes there are: the product of the levels."""
    return math.prod(levels)


def fsq_quantise(vectors: Vectors, levels: tuple[int, ...]) -> Vectors:
    """Every coordinate to one of its levels, in [-1, 1] ([mentzer2024]); straight-through.

    Coordinates are bounded by a tanh whose range ends just beyond the outer levels; even counts are
    shifted by half a step, so that the levels are whole numbers.
    """
    bounded = _fsq_bounded(vectors, levels)
    return straight_through(bounded, jnp.round(bounded)) / _fsq_half(levels)[None]


def fsq_codes(quantised: Vectors, levels: tuple[int, ...]) -> Codes:
    """The codes of quantised vectors: mixed radix, the first coordinate fastest."""
    digits = jnp.round(quantised * _fsq_half(levels)[None]) + _fsq_half(levels)[None]
    return jnp.sum(digits.astype(jnp.int32) * _fsq_basis(levels)[None], 1).astype(jnp.int32)


def fsq_codebook(levels: tuple[int, ...]) -> Float[Array, "k dimension"]:
    """The quantised vector of every code, in the order of the codes."""
    digits = jnp.arange(fsq_size(levels))[:, None] // _fsq_basis(levels)[None]
    digits = digits % jnp.asarray(levels)[None]
    half = _fsq_half(levels)[None]
    return (digits - half) / half


def _fsq_half(levels: tuple[int, ...]) -> Array:
    """Levels run from -half to half - 1 (even counts) or to half (odd counts)."""
    return jnp.asarray([count // 2 for count in levels], jnp.float32)


def _fsq_basis(levels: tuple[int, ...]) -> Array:
    return jnp.asarray([math.prod(levels[:index]) for index in range(len(levels))], jnp.int32)


def _fsq_bounded(vectors: Vectors, levels: tuple[int, ...]) -> Vectors:
    counts = jnp.asarray(levels, jnp.float32)[None]
    even = (1 - counts % 2) * 0.5
    reach = (counts - 1) * (1 + 1e-3) / 2
    shift = jnp.arctanh(even / reach)
    return jnp.tanh(vectors + shift) * reach - even


# --------------------------------------------------------------------------- how codes are used


def uses(codes: Int[Array, "..."], size: int) -> Float[Array, " k"]:
    """How often each code occurs."""
    return jnp.bincount(codes.reshape(-1), length=size).astype(jnp.float32)


def perplexity(counts: Float[Array, " k"]) -> Array:
    """exp of the entropy of the uses: K where all codes are used alike, 1 where one is."""
    shares = counts / jnp.maximum(jnp.sum(counts), 1)
    return jnp.exp(-jnp.sum(jnp.where(shares > 0, shares * jnp.log(jnp.maximum(shares, 1e-30)), 0)))


def used_share(counts: Float[Array, " k"]) -> Array:
    """The part of the codebook that is used at all."""
    return jnp.mean(counts > 0)


def spread(
    vectors: Vectors, codes: Float[Array, "k dimension"], temperature: float
) -> Float[Array, ""]:
    """How far the mean soft assignment is from even use: ln K less its entropy, 0 where even.

    As a loss it moves the vectors (not the codes) towards codes that others leave alone. Distances
    are measured in units of the mean distance to the nearest code, times `temperature`.
    """
    distances = squared_distances(vectors, jax.lax.stop_gradient(codes))
    unit = jax.lax.stop_gradient(jnp.mean(jnp.min(distances, 1)))
    soft = jax.nn.softmax(-distances / (temperature * jnp.maximum(unit, 1e-8)), axis=1)
    mean = jnp.mean(soft, 0)
    return jnp.log(codes.shape[0]) + jnp.sum(mean * jnp.log(mean + 1e-10))
