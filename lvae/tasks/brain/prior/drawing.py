"""Code maps drawn from the prior; each of the seed, the stream's name and its own index alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lvae.configuration import section
from lvae.keys import stream
from lvae.models import raster_sampling
from lvae.tasks.interface import Variables
from lvae.tasks.pixelcnn.network import network_of
from lvae.tasks.pixelcnn.settings import SamplingConfig

SAMPLE_BATCH = 32  # maps drawn at once


def draw(
    config: Any,
    variables: Variables,
    seed: int,
    stream_name: str,
    indices: list[int],
    factor: float = 1.0,
) -> np.ndarray:
    """New code maps, int32 (N, rows, columns); each of (seed, name, its own index) alone.

    factor: of the config's temperature.
    """
    network = network_of(config)
    blank = np.zeros((len(indices), *network.grid), np.int32)
    free = np.ones(blank.shape, bool)
    return redraw(config, variables, seed, stream_name, indices, blank, free, factor)


def redraw(
    config: Any,
    variables: Variables,
    seed: int,
    stream_name: str,
    indices: list[int],
    codes: np.ndarray,
    free: np.ndarray,
    factor: float = 1.0,
) -> np.ndarray:
    """The code maps with the codes under `free` drawn anew."""
    settings = section(SamplingConfig, config.sampling, "sampling")
    network, params = network_of(config), variables["params"]
    keys = sample_keys(seed, stream_name, indices)

    drawn = []
    for first in range(0, len(indices), SAMPLE_BATCH):
        rows = np.arange(first, min(first + SAMPLE_BATCH, len(indices)))
        filled = np.resize(rows, SAMPLE_BATCH)  # one compilation for every count
        maps = _sampled(
            network,
            params,
            keys[filled],
            codes[filled],
            free[filled],
            factor * settings.temperature,
            settings.top_k,
            settings.min_p,
        )
        drawn.append(np.asarray(maps)[: len(rows)])
    return np.concatenate(drawn) if drawn else codes


def sample_keys(seed: int, stream_name: str, indices: list[int]) -> Array:
    """One key a sample: of the seed, the stream's name and the sample's own index."""
    key = stream(seed, stream_name)
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(jnp.asarray(indices))


_sampled = jax.jit(raster_sampling.sample_cached, static_argnums=(0, 6, 7))
