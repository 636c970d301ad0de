"""From frames to codes, from codes to grids: the same for every design, batch and shard.

Everything is computed in blocks of a fixed size, a sample always at the same place of the same
block, and with random numbers of its own index: a sample's bytes depend on the run, the seed and the
sample's index alone.
"""

import functools
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from lvae import configuration
from lvae.errors import UserError
from lvae.tasks.interface import Run
from lvae.tasks.laser_grid import notebook, ordered

BLOCK = 64  # samples computed together


class Codes(NamedTuple):
    """Posterior mean and standard deviation of frames' codes, (frames, latents) each."""

    mean: np.ndarray
    deviation: np.ndarray


class Grids(NamedTuple):
    """Decoded grids: points (grids, rows, columns, 2) in px, visible (grids, rows, columns)."""

    points: np.ndarray
    visible: np.ndarray


def design_of(config: Any) -> ModuleType:
    """The module that config.model.design names.

    Raises:
      UserError: there is none of that name.
    """
    designs = {"ordered": ordered, "notebook": notebook}
    if config.model.design not in designs:
        raise UserError(
            f"config.model.design={config.model.design!r}: must be one of {', '.join(designs)}"
        )
    return designs[config.model.design]


def encode_frames(run: Run, points: np.ndarray, visible: np.ndarray) -> Codes:
    """Codes of frames, block by block."""
    encode = _compiled_encode(design_of(run.config), run.config)
    means, deviations = [], []
    for start in range(0, len(points), BLOCK):
        stop = min(start + BLOCK, len(points))
        rows = np.arange(start, start + BLOCK) % len(points)  # the last block is filled up
        mean, log_variance = encode(
            run.variables, jnp.asarray(points[rows]), jnp.asarray(visible[rows])
        )
        means.append(np.asarray(mean)[: stop - start])
        deviations.append(np.exp(0.5 * np.asarray(log_variance))[: stop - start])
    return Codes(np.concatenate(means), np.concatenate(deviations))


def decode_codes(
    run: Run,
    codes: Float[np.ndarray, "samples latents"],
    indices: Int[np.ndarray, " samples"],
    key: Key[Array, ""],
    factor: float,
) -> Grids:
    """Grids of one block of codes.

    Args:
      run: the trained run.
      codes: at most BLOCK of them.
      indices: of the samples; they choose the random numbers.
      key: of the mode's stream.
      factor: of the noise that the decoder's likelihood adds to points and visibility; 0 decodes to
        the most likely grid.
    """
    count = len(codes)
    padded = np.zeros((BLOCK, codes.shape[1]), np.float32)
    padded[:count] = codes
    numbers = np.zeros(BLOCK, np.int32)
    numbers[:count] = indices
    decode = _compiled_decode(design_of(run.config), run.config)
    points, visible = decode(
        run.variables, jnp.asarray(padded), jnp.asarray(numbers), key, jnp.float32(factor)
    )
    return Grids(np.asarray(points)[:count], np.asarray(visible)[:count])


def normal_codes(key: Key[Array, ""], indices: np.ndarray, latents: int) -> np.ndarray:
    """Standard normal numbers for each sample, from its own index; (samples, latents)."""
    draw = jax.jit(
        jax.vmap(lambda index: jax.random.normal(jax.random.fold_in(key, index), (latents,)))
    )
    return np.asarray(draw(jnp.asarray(indices, jnp.int32)))


def reconstruct(run: Run, points: np.ndarray, visible: np.ndarray) -> Grids:
    """What the frames' mean codes decode to, without noise."""
    return decode_means(run, encode_frames(run, points, visible).mean)


def decode_means(run: Run, codes: np.ndarray) -> Grids:
    """Most likely grids of any number of codes."""
    key = jax.random.key(0)  # multiplied by a factor of 0
    blocks = [
        decode_codes(run, codes[at : at + BLOCK], np.arange(len(codes[at : at + BLOCK])), key, 0.0)
        for at in range(0, len(codes), BLOCK)
    ]
    return Grids(*(np.concatenate(parts) for parts in zip(*blocks)))


def _compiled_encode(design: ModuleType, config: Any):
    return _cached_encode(design, configuration.to_json(config))


def _compiled_decode(design: ModuleType, config: Any):
    return _cached_decode(design, configuration.to_json(config))


@functools.lru_cache(maxsize=8)
def _cached_encode(design: ModuleType, config_json: str):
    config = configuration.from_json(config_json)

    def encode(variables, points, visible):
        return design.encode(config, variables, points, visible)

    return jax.jit(encode)


@functools.lru_cache(maxsize=8)
def _cached_decode(design: ModuleType, config_json: str):
    config = configuration.from_json(config_json)
    sampling = config.sampling

    def decode(variables, codes, indices, key, factor):
        points, logits = design.decode(config, variables, codes)

        def noise(index):
            point_key, seen_key = jax.random.split(jax.random.fold_in(key, index))
            return (
                jax.random.normal(point_key, points.shape[1:]),
                jax.random.logistic(seen_key, logits.shape[1:]),
            )

        shaken, flipped = jax.vmap(noise)(indices)
        points = design.constrain(config, points + factor * sampling.observation_noise * shaken)
        scores = logits + factor * sampling.visibility_noise * flipped
        visible = scores > 0.0
        if "visible_range" in variables["buffers"]:
            limited = within_range(scores, variables["buffers"]["visible_range"])
            visible = jnp.where(factor > 0.0, limited, visible)
        return points, visible

    return jax.jit(decode)


def within_range(
    scores: Float[Array, "grids rows columns"], limits: Int[Array, "2"]
) -> Bool[Array, "grids rows columns"]:
    """The points of positive score, or the best ones where these are fewer or more than `limits`:
    no new frame shows fewer or more points than any real one did."""
    flat = scores.reshape(len(scores), -1)
    count = jnp.clip(jnp.sum(flat > 0.0, axis=1), limits[0], limits[1])
    lowest = jnp.take_along_axis(-jnp.sort(-flat, axis=1), count[:, None] - 1, axis=1)
    return scores >= lowest[..., None]
