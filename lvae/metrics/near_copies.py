"""Which drawn examples are as good as one of a training recording or subject?

A distance says little by itself. Here it is held against two that the training set has: how near
examples of one recording are to each other, and how far the next recording is.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binomtest

from lvae.metrics.grouped_auroc import Estimate

WITHIN = 95  # percentile, within a group, of the distance to the nearest other example of it
HALF = 0.5  # of the way to the nearest example of another group


class NearCopies(NamedTuple):
    """share: of the examples that are near-copies, with the interval of as many independent draws
    (Clopper and Pearson, 1934). near: which are."""

    share: Estimate
    near: Bool[np.ndarray, " drawn"]


def copy_distances(
    within_train: Float[np.ndarray, "train train"], train_groups: np.ndarray
) -> Float[np.ndarray, " train"]:
    """How near to each training example something must be to count as a near-copy of it.

    The smaller of: the distance that 95 % of its group's examples keep at most to their nearest
    neighbour in the group (where the group has several examples), and half the distance to the
    nearest example of another group (where there is one).

    Raises:
      ValueError: labels of another length, or a single example.
    """
    groups = np.asarray(train_groups)
    if within_train.shape != (len(groups), len(groups)) or len(groups) < 2:
        raise ValueError(f"distances {within_train.shape} for {len(groups)} group labels")
    same = groups[:, None] == groups[None]
    limits = HALF * np.where(same, np.inf, within_train).min(1)
    others = np.where(same & ~np.eye(len(groups), dtype=bool), within_train, np.inf).min(1)
    for name in np.unique(groups):
        members = groups == name
        if members.sum() > 1:
            own = np.percentile(others[members], WITHIN)
            limits[members] = np.minimum(limits[members], own)
    return limits


def near_copies(
    to_train: Float[np.ndarray, "drawn train"], limits: Float[np.ndarray, " train"]
) -> NearCopies:
    """Examples that lie within the limit of any training example; limits of `copy_distances`."""
    near = np.any(to_train <= limits[None], axis=1)
    low, high = binomtest(int(near.sum()), len(to_train)).proportion_ci(0.95, method="exact")
    return NearCopies(Estimate(float(near.mean()), float(low), float(high)), np.asarray(near))


def smallest_share(count: int, power: float = 0.8) -> float:
    """The least share of copies of which so many independent draws hold at least one this often:
    1 - (1 - share) ** count = power."""
    return float(1 - (1 - power) ** (1 / count))
