"""Holes in code maps, and the likeliest of several fillings."""

import numpy as np
from jaxtyping import Bool

from lvae.tasks.brain.codec.codec import Maps
from lvae.tasks.brain.prior import picturing, planning
from lvae.tasks.brain.prior.drawing import Indices, redraw
from lvae.tasks.brain.prior.network import surprises
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.brain.slices import Slices
from lvae.tasks.task import Run


def hole(
    seed: int, index: int, grid: tuple[int, int], share: float
) -> Bool[np.ndarray, "rows columns"]:
    """A square, true inside, in the middle half of the map."""
    random = np.random.default_rng([seed, index])
    edge = max(1, round(share * grid[0]))
    middle = [int(random.integers(size // 4, size - size // 4)) for size in grid]
    mask = np.zeros(grid, bool)
    corner = [max(0, min(place - edge // 2, size - edge)) for place, size in zip(middle, grid)]
    mask[corner[0] : corner[0] + edge, corner[1] : corner[1] + edge] = True
    return mask


def fill(
    run: Run[Settings],
    seed: int,
    indices: Indices,
    codes: Maps,
    free: Bool[np.ndarray, "n rows columns"],
    images: Slices,
) -> Maps:
    """The best of several redrawings, by the likelihood of the whole map; with plans, each of a plan
    of its own that fits what of the images is not `free`."""
    grid = free.shape[1:]
    best, lowest = codes, np.full(len(codes), np.inf)
    for candidate in range(run.settings.sampling.candidates):
        plan = planning.maps_of_images(run, images, grid, candidate, ~free)
        name = f"inpaint {candidate}"
        picture = picturing.drawn(run, seed, name, indices, plan, images, ~free)
        drawn = redraw(run, seed, name, indices, codes, free, plan=picture)
        total = surprises(run, drawn, plan).sum((1, 2))
        better = total < lowest
        best = np.where(better[:, None, None], drawn, best)
        lowest = np.minimum(total, lowest)
    return best
