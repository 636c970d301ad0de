"""AUROC where the unit is a group (a recording, a subject), not its frames or slices.

Frames of a recording are near-copies, so intervals and chance levels over frames are far too
narrow. Here both come from the groups: intervals draw whole groups anew (Efron and Tibshirani,
1993, by stratum), chance levels hand out the groups' labels in every way.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

MOST_LABELLINGS = 20_000  # where there are more, so many are drawn
MANY_GROUPS = 100  # of more groups a tenth as many are drawn: they cost the square of the groups


class Estimate(NamedTuple):
    """A value and its interval, nan where nothing can be said."""

    value: float
    low: float
    high: float


class Concordance(NamedTuple):
    """chance: that a score of the row's group lies above one of the column's (ties count a half).
    first_sizes, second_sizes: scores of each group."""

    chance: Float[np.ndarray, "first second"]
    first_sizes: Float[np.ndarray, " first"]
    second_sizes: Float[np.ndarray, " second"]


def concordance(
    first: Float[np.ndarray, " n"],
    second: Float[np.ndarray, " m"],
    first_groups: np.ndarray,
    second_groups: np.ndarray,
) -> Concordance:
    """How each group of `first` lies above each group of `second`; groups in sorted order."""
    firsts, seconds = _split(first, first_groups), _split(second, second_groups)
    sizes = [np.array([len(part) for part in parts], float) for parts in (firsts, seconds)]
    scores = np.concatenate(firsts)
    starts = np.concatenate([[0], np.cumsum(sizes[0])[:-1]]).astype(int)
    chance = np.empty((len(firsts), len(seconds)))
    for column, other in enumerate(seconds):
        ordered = np.sort(other)
        below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
        chance[:, column] = np.add.reduceat(below, starts) / (2 * len(other) * sizes[0])
    return Concordance(chance, *sizes)


def grouped_auroc(
    first: Float[np.ndarray, " n"],
    second: Float[np.ndarray, " m"],
    first_groups: np.ndarray,
    second_groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Chance that a score of `first` lies above one of `second`, each group counting the same.

    Args:
      first, second: scores.
      first_groups, second_groups: a label per score.
      draws: bootstrap samples of the interval; groups are drawn with replacement on both sides.
      seed: of the draws.
      level: share of the draws inside the interval.

    The interval of a side with one group knows nothing of how groups differ on that side; with one
    group on both it is nan. With few groups percentiles are too narrow: of n groups the deviation
    is that of the sample, short by sqrt(1 - 1 / n).
    """
    chance = concordance(first, second, first_groups, second_groups).chance
    value = float(chance.mean())
    if max(chance.shape) < 2:
        return Estimate(value, float("nan"), float("nan"))
    random = np.random.default_rng(seed)
    rows, columns = (times_drawn(random, count, draws) for count in chance.shape)
    values = np.einsum("di,ij,dj->d", rows, chance, columns) / (chance.shape[0] * chance.shape[1])
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return Estimate(value, float(low), float(high))


def labelling_p_value(
    first: Float[np.ndarray, " n"],
    second: Float[np.ndarray, " m"],
    first_groups: np.ndarray,
    second_groups: np.ndarray,
    seed: int = 0,
) -> float:
    """Chance of an AUROC as high if the groups' labels meant nothing (a permutation test, one-sided).

    Exact over all ways to call as many groups `first`, up to `MOST_LABELLINGS`; a random choice of
    ways above. A label in both `first_groups` and `second_groups` is two groups.
    """
    parts = _split(first, first_groups) + _split(second, second_groups)
    labels = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    scores = np.concatenate(parts)
    chance = concordance(scores, scores, labels, labels).chance
    count, total = len(np.unique(first_groups)), len(parts)
    ways = labellings(total, count, seed)
    chosen = np.zeros((len(ways), total))
    np.put_along_axis(chosen, ways, 1, axis=1)
    values = np.einsum("wi,ij,wj->w", chosen, chance, 1 - chosen, optimize=True)
    observed = chance[:count, count:].sum()
    return float(np.mean(values >= observed - 1e-9))


def labellings(total: int, count: int, seed: int = 0) -> Int[np.ndarray, "ways count"]:
    """Ways to choose `count` of `total` groups: all, or `MOST_LABELLINGS` drawn (of many groups a
    tenth of it); the first is 0, 1, and so on."""
    if math.comb(total, count) <= MOST_LABELLINGS:
        return np.array(list(itertools.combinations(range(total), count)), int)
    random = np.random.default_rng(seed)
    ways = MOST_LABELLINGS // (10 if total > MANY_GROUPS else 1)
    drawn = random.permuted(np.tile(np.arange(total), (ways, 1)), axis=1)[:, :count]
    drawn[0] = np.arange(count)
    return drawn


def _split(scores: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    if len(scores) != len(groups) or not len(scores):
        raise ValueError(f"{len(groups)} group labels for {len(scores)} scores; both must be given")
    _, index = np.unique(groups, return_inverse=True)
    order = np.argsort(index, kind="stable")
    return np.split(np.asarray(scores)[order], np.cumsum(np.bincount(index))[:-1])


def times_drawn(random: np.random.Generator, count: int, draws: int) -> np.ndarray:
    """How often each of `count` groups is drawn, for every draw of `count` of them."""
    return random.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
