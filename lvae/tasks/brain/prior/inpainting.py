"""Holes in code maps, and the likeliest of several fillings."""

import numpy as np

from lvae.configuration import section
from lvae.tasks.interface import Run
from lvae.tasks.pixelcnn.drawing import redraw
from lvae.tasks.pixelcnn.network import network_of, surprises
from lvae.tasks.pixelcnn.settings import EvaluationConfig, SamplingConfig


def hole(seed: int, index: int, grid: tuple[int, int], share: float) -> np.ndarray:
    """bool (rows, columns): a square, true inside, in the middle half of the map."""
    random = np.random.default_rng([seed, index])
    edge = max(1, round(share * grid[0]))
    middle = [int(random.integers(size // 4, size - size // 4)) for size in grid]
    mask = np.zeros(grid, bool)
    corner = [max(0, min(place - edge // 2, size - edge)) for place, size in zip(middle, grid)]
    mask[corner[0] : corner[0] + edge, corner[1] : corner[1] + edge] = True
    return mask


def fill(
    run: Run, seed: int, indices: list[int], codes: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """The best of several redrawings, by the likelihood of the whole map."""
    settings = section(SamplingConfig, run.config.sampling, "sampling")
    batch = section(EvaluationConfig, run.config.evaluation, "evaluation").batch_size
    network = network_of(run.config)
    best, lowest = codes, np.full(len(codes), np.inf)
    for candidate in range(settings.candidates):
        drawn = redraw(
            run.config, run.variables, seed, f"inpaint {candidate}", indices, codes, free
        )
        total = surprises(network, run.variables, drawn, batch).sum((1, 2))
        better = total < lowest
        best = np.where(better[:, None, None], drawn, best)
        lowest = np.minimum(total, lowest)
    return best
