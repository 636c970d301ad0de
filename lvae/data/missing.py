"""Which points of simulated recordings give no spot in the image."""

from collections.abc import Mapping

import numpy as np

from lvae.data import folds

# Outside the glottis real points go missing in short runs. Measured on columns 0-5 and 12-17 of
# LASTEN's training (validation) frames: of the right neighbours of missing points 36 (39) % are
# missing, of the upper ones 25 (25) %. Simulated (3 seeds of 400 recordings): 24-29 and 20-23 %
# where points are lost one by one, 38-41 and 25-26 % in runs; 1.8 % of all points either way.
RUN_STARTS = 0.75  # of the points lost one by one, those that begin a run
RUN_ALONG_ROW = 0.1  # chance that each neighbour in the row goes too, twice in a row
RUN_ALONG_COLUMN = 0.05


def unobstructed(
    rng: np.random.Generator,
    frames: int,
    shape: Mapping[str, float],
    u: np.ndarray,
    v: np.ndarray,
    runs: np.random.Generator | None = None,
) -> np.ndarray:
    """Which points on the tissue give a spot in the image, (frames, rows, columns).

    runs: where given, neighbours go missing together, drawn from it; what `rng` draws stays.
    """
    border = (np.abs(u) == 1) | (np.abs(v) == 1)
    near_shelf = np.abs(v - folds.shelf_edge(shape, u)) < 1.2 / len(v)
    chance = 0.002 + 0.02 * border + 0.04 * near_shelf
    lost = rng.random(u.shape) < chance
    if runs is not None:
        lost = in_runs(runs, lost)
    for _ in range(rng.poisson(0.4)):
        # A highlight or mucus: mostly at the bottom, where the tissue in front begins.
        centre_u, centre_v = rng.uniform(-1, 1), -1 + 0.25 * rng.random()
        radius = rng.uniform(0.08, 0.22)
        lost |= (u - centre_u) ** 2 + 1.5 * (v - centre_v) ** 2 < radius**2
    # A few points come and go.
    shaky = rng.random(u.shape) < 0.002
    flicker = rng.random((frames, *u.shape)) < 0.5
    return ~(lost | (shaky & flicker))


def in_runs(rng: np.random.Generator, lost: np.ndarray) -> np.ndarray:
    """Fewer points that go missing, and neighbours with them: about as many in all."""
    lost = lost & (rng.random(lost.shape) < RUN_STARTS)
    for axis, chance in ((-1, RUN_ALONG_ROW), (-1, RUN_ALONG_ROW), (-2, RUN_ALONG_COLUMN)):
        for step in (1, -1):
            neighbour = np.roll(lost, step, axis)
            edge = [slice(None)] * lost.ndim
            edge[axis] = slice(0, 1) if step == 1 else slice(-1, None)
            neighbour[tuple(edge)] = False
            lost = lost | (neighbour & (rng.random(lost.shape) < chance))
    return lost
