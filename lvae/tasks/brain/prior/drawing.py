"""Code maps drawn from the prior; each of the seed, the stream's name and its own index alone."""

import jax
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from lvae.keys import per_index, stream
from lvae.models import raster_sampling
from lvae.tasks.brain.codec.codec import Maps
from lvae.tasks.brain.prior import picturing, planning
from lvae.tasks.brain.prior.network import network
from lvae.tasks.brain.prior.planning import PlanMaps
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.task import Run

SAMPLE_BATCH = 32  # maps drawn at once

Indices = Int[np.ndarray, " n"]


def draw(
    run: Run[Settings],
    seed: int,
    stream_name: str,
    indices: Indices,
    factor: float = 1.0,
    plan: PlanMaps | None = None,
) -> Maps:
    """New code maps; each of (seed, name, its own index) alone.

    factor: of the config's temperature. plan: of each map; None: of a prior with plans they are drawn.
    """
    grid = network(run.settings, run.spec).grid
    if plan is None and run.settings.plan.components:
        plan = planning.of_nobody(run, seed, stream_name, indices, None, grid).maps
        plan = picturing.drawn(run, seed, stream_name, indices, plan)
    blank = np.zeros((len(indices), *grid), np.int32)
    free = np.ones(blank.shape, bool)
    return redraw(run, seed, stream_name, indices, blank, free, factor, plan)


def redraw(
    run: Run[Settings],
    seed: int,
    stream_name: str,
    indices: Indices,
    codes: Maps,
    free: Bool[np.ndarray, "n rows columns"],
    factor: float = 1.0,
    plan: PlanMaps | None = None,
) -> Maps:
    """The code maps with the codes under `free` drawn anew."""
    settings = run.settings.sampling
    module = network(run.settings, run.spec)
    plan = picturing.readable(run.settings, plan)
    drawn = []
    for first in range(0, len(indices), SAMPLE_BATCH):
        rows = np.arange(first, min(first + SAMPLE_BATCH, len(indices)))
        filled = np.resize(rows, SAMPLE_BATCH)  # one compilation for every count
        maps = _sampled(
            module,
            run.variables["params"],
            sample_keys(seed, stream_name, indices[filled]),
            codes[filled],
            free[filled],
            factor * settings.temperature,
            settings.top_k,
            settings.min_p,
            None if plan is None else plan[filled],
        )
        drawn.append(np.asarray(maps)[: len(rows)])
    return np.concatenate(drawn) if drawn else codes


def sample_keys(seed: int, stream_name: str, indices: Indices) -> Key[Array, " n"]:
    """One key per sample: of the seed, the stream's name and the sample's own index."""
    return per_index(stream(seed, stream_name), indices)


_sampled = jax.jit(raster_sampling.sample_cached, static_argnums=(0, 6, 7))
