"""From frames to codes, from codes to grids: the same for every design, batch and shard.

Everything is computed in blocks of a fixed size, a sample always at the same place of the same
block, and with random numbers of its own index: a sample's bytes depend on the run, the seed and the
sample's index alone.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from lvae.models.batching import in_batches
from lvae.models.missing_runs import visibility_noise
from lvae.tasks.grids.scale import Scale, scale_of
from lvae.tasks.grids.vae.design import Decoded, Design, Laws
from lvae.tasks.grids.vae.notebook import NOTEBOOK
from lvae.tasks.grids.vae.ordered import ORDERED
from lvae.tasks.grids.vae.settings import OrderedSamplingSettings, Settings
from lvae.tasks.task import Run, Variables

BLOCK = 64  # samples computed together


class Codes(NamedTuple):
    """Posterior mean and standard deviation of frames' codes."""

    mean: Float[np.ndarray, "frames latents"]
    deviation: Float[np.ndarray, "frames latents"]


class Grids(NamedTuple):
    """Decoded grids: points in px, and which are visible."""

    points: Float[np.ndarray, "grids rows columns 2"]
    visible: Bool[np.ndarray, "grids rows columns"]


def design_of(settings: Settings) -> Design:
    """The functions of the design that the settings name."""
    return {"ordered": ORDERED, "notebook": NOTEBOOK}[settings.model.design]


def encode_frames(
    run: Run[Settings],
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Codes:
    """Codes of frames."""
    function = functools.partial(_encoded, run.settings, scale_of(run.spec), run.variables)
    mean, log_variance = in_batches(function, points, visible, size=BLOCK)
    return Codes(np.asarray(mean), np.exp(0.5 * np.asarray(log_variance)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _encoded(
    settings: Settings, scale: Scale, variables: Variables, points: Array, visible: Array
) -> tuple[Array, Array]:
    return design_of(settings).encode(settings, scale, variables, points, visible)


def decode_codes(
    run: Run[Settings],
    codes: Float[np.ndarray, "samples latents"],
    indices: Int[np.ndarray, " samples"],
    key: Key[Array, ""],
    factor: float,
    laws: Laws = Laws(),  # noqa: B008  # immutable
) -> Grids:
    """Grids of any number of codes.

    Args:
      run: the trained run.
      codes: of the samples.
      indices: of the samples; they choose the random numbers.
      key: of the mode's stream.
      factor: of the noise that the decoder's likelihood adds to points and visibility; 0 decodes to
        the most likely grid.
      laws: of the noise and of missing points.
    """

    def function(block: np.ndarray, numbers: np.ndarray) -> tuple[Array, Array]:
        random = (numbers, key, jnp.float32(factor), jax.tree.map(jnp.float32, laws))
        return _decoded(run.settings, scale_of(run.spec), run.variables, block, *random)

    points, visible = in_batches(function, codes, indices.astype(np.int32), size=BLOCK)
    return Grids(np.asarray(points), np.asarray(visible))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _decoded(
    settings: Settings,
    scale: Scale,
    variables: Variables,
    codes: Array,
    indices: Array,
    key: Key[Array, ""],
    factor: Float[Array, ""],
    laws: Laws,
) -> tuple[Array, Array]:
    design = design_of(settings)
    points, logits, spread = design.decode(settings, scale, variables, codes)
    sampling = settings.sampling
    if spread is None or not isinstance(sampling, OrderedSamplingSettings):
        return points, logits > 0.0

    def noise(index: Array) -> tuple[Array, Array]:
        point_key, seen_key, level_key = jax.random.split(jax.random.fold_in(key, index), 3)
        level = jnp.exp(laws.noise.spread * jax.random.normal(level_key))
        rows, columns = logits.shape[1:]
        return (
            level * jax.random.normal(point_key, points.shape[1:]),
            visibility_noise(seen_key, laws.missing, rows, columns),
        )

    shaken, flipped = jax.vmap(noise)(indices)
    along = jnp.stack([laws.noise.along_x, laws.noise.along_y])[None, None, None]
    shaken = along * jnp.einsum("nrcde,nrce->nrcd", spread, shaken)
    moved = points + factor * sampling.observation_noise * shaken
    scores = logits + factor * sampling.visibility_noise * flipped
    limited = within_range(scores, variables["buffers"]["visible_range"])
    visible = jnp.where(factor > 0.0, limited, scores > 0.0)
    return design.constrain(settings, scale, moved), visible


def decode_likelihood(run: Run[Settings], codes: Float[np.ndarray, "samples latents"]) -> Decoded:
    """Points, logits and the likelihood's noise of any number of codes, NumPy arrays."""
    function = functools.partial(_likelihood, run.settings, scale_of(run.spec), run.variables)
    return jax.tree.map(np.asarray, in_batches(function, codes, size=BLOCK))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _likelihood(settings: Settings, scale: Scale, variables: Variables, codes: Array) -> Decoded:
    return design_of(settings).decode(settings, scale, variables, codes)


def within_range(
    scores: Float[Array, "grids rows columns"], limits: Int[Array, "2"]
) -> Bool[Array, "grids rows columns"]:
    """The points of positive score, or the best ones where these are fewer or more than `limits`:
    no new frame shows fewer or more points than any real one did."""
    flat = scores.reshape(len(scores), -1)
    count = jnp.clip(jnp.sum(flat > 0.0, axis=1), limits[0], limits[1])
    lowest = jnp.take_along_axis(-jnp.sort(-flat, axis=1), count[:, None] - 1, axis=1)
    return scores >= lowest[..., None]


def reconstruct(
    run: Run[Settings],
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Grids:
    """What the frames' mean codes decode to, without noise."""
    return decode_means(run, encode_frames(run, points, visible).mean)


def decode_means(run: Run[Settings], codes: Float[np.ndarray, "grids latents"]) -> Grids:
    """Most likely grids of any number of codes."""
    key = jax.random.key(0)  # multiplied by a factor of 0
    return decode_codes(run, codes, np.arange(len(codes)) % BLOCK, key, 0.0)
