"""What a drawn set, or the model behind it, gives away about those it was trained on.

The unit is the recording or subject: frames of one are near-copies. No number here is a proof of
privacy; each is a test that can find some leaks, and `smallest_auroc` says how large they had to be.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import logsumexp

from lvae.metrics.grouped_auroc import Estimate, grouped_auroc, labelling_p_value
from lvae.metrics.memorised import group_distances
from lvae.metrics.power import smallest_auroc

DISTANCE_PERCENTILES = (1, 5, 25, 50, 95)


class Authenticity(NamedTuple):
    """share: of drawn examples that are authentic, with an interval over the training groups that
    they are nearest to. authentic: which are."""

    share: Estimate
    authentic: Bool[np.ndarray, " drawn"]


class Copying(NamedTuple):
    """statistic: C_T as published, whose unit is the example: standard normal if drawn and held-out
    examples are alike and independent, far below 0 copying, far above underfitting. chance: that a
    drawn example lies farther from training than a held-out one, with an interval by group: below
    0.5 copying. by_group: the t value of that chance over held-out groups, groups - 1 degrees of
    freedom; nan with one."""

    statistic: float
    chance: Estimate
    by_group: float


class Membership(NamedTuple):
    """auroc: chance that a trained-on example scores above a held-out one, with an interval by
    group. p_value: chance of one as high if the groups' labels meant nothing. smallest: the least
    AUROC that so many groups find four times out of five; nan if none."""

    auroc: Estimate
    p_value: float
    smallest: float


def authenticity(
    to_train: Float[np.ndarray, "drawn train"],
    within_train: Float[np.ndarray, "train train"],
    train_groups: np.ndarray | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Authenticity:
    """Drawn examples that are farther from their nearest training example than that one is from
    its own nearest neighbour among the others (Alaa et al., 2022 [alaa2022]).

    With groups the neighbour is one of another group; without, near-copies within a recording make
    almost everything authentic. A perfect generator does not reach 1: hold the share against that
    of held-out examples.

    Args:
      to_train: distances of drawn to training examples.
      within_train: distances between training examples.
      train_groups: recording or subject of these; None: each is its own group.
      draws, seed: of the bootstrap.

    Raises:
      ValueError: labels of another length, or a single group.
    """
    count = len(within_train)
    groups = np.arange(count) if train_groups is None else np.asarray(train_groups)
    names, index = np.unique(groups, return_inverse=True)
    if within_train.shape != (count, count) or to_train.shape[1] != count or len(index) != count:
        raise ValueError(
            f"distances {to_train.shape} and {within_train.shape} for {len(index)} group labels"
        )
    if len(names) < 2:
        raise ValueError("a single group: no training example has a neighbour of another group")
    apart = np.where(index[:, None] == index[None], np.inf, within_train).min(1)
    nearest = to_train.argmin(1)
    authentic = to_train[np.arange(len(to_train)), nearest] > apart[nearest]
    _, cluster = np.unique(index[nearest], return_inverse=True)
    sizes = np.bincount(cluster)
    hits = np.bincount(cluster, authentic)
    random = np.random.default_rng(seed)
    drawn = random.integers(0, len(sizes), (draws, len(sizes)))
    shares = hits[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(shares, [2.5, 97.5]) if len(sizes) > 1 else (np.nan, np.nan)
    return Authenticity(Estimate(float(authentic.mean()), float(low), float(high)), authentic)


def copying(
    drawn: Float[np.ndarray, " drawn"],
    held_out: Float[np.ndarray, " held_out"],
    held_out_groups: np.ndarray,
    cells: tuple[np.ndarray, np.ndarray] | None = None,
    fewest: int = 20,
    seed: int = 0,
) -> Copying:
    """C_T, the data-copying test of Meehan et al. (2020) [meehan2020], and the same by group.

    In each cell the Mann-Whitney statistic of drawn against held-out distances is standardised; C_T
    is the mean over cells, weighted by their held-out examples. Distances of one held-out recording
    are near-copies, so that C_T itself is far too sure of itself: `chance` and `by_group` are not.

    Args:
      drawn, held_out: distance of every example to the nearest training example.
      held_out_groups: recording or subject of the held-out examples.
      cells: a label of every drawn and of every held-out example, such as the nearest k-means
        centre of training; None: one cell.
      fewest: drawn examples that a cell needs to count.
      seed: of the interval's draws.

    Raises:
      ValueError: labels of another length, or no cell with enough of both kinds.
    """
    labels = (np.zeros(len(drawn)), np.zeros(len(held_out))) if cells is None else cells
    if len(labels[0]) != len(drawn) or len(labels[1]) != len(held_out):
        raise ValueError("another number of cell labels than of examples")
    weights, values = [], []
    for cell in np.unique(labels[1]):
        first, second = drawn[labels[0] == cell], held_out[labels[1] == cell]
        if len(first) >= fewest:
            weights.append(len(second))
            values.append(_standardised(first, second))
    if not weights:
        raise ValueError(f"no cell has {fewest} drawn examples; use fewer cells")
    chance = grouped_auroc(
        drawn, held_out, np.arange(len(drawn)), np.asarray(held_out_groups), draws=500, seed=seed
    )
    return Copying(
        float(np.average(values, weights=weights)),
        chance,
        _t_value(drawn, held_out, np.asarray(held_out_groups)),
    )


def membership(
    trained: Float[np.ndarray, " trained"],
    held_out: Float[np.ndarray, " held_out"],
    trained_groups: np.ndarray,
    held_out_groups: np.ndarray,
    seed: int = 0,
) -> Membership:
    """Membership inference by a score that is higher for what was trained on: minus the
    reconstruction error, the evidence lower bound, `density_ratio_scores`.

    Raises:
      ValueError: labels of another length, or an empty set.
    """
    sets = (trained, held_out, np.asarray(trained_groups), np.asarray(held_out_groups))
    groups = len(np.unique(trained_groups)), len(np.unique(held_out_groups))
    return Membership(
        grouped_auroc(*sets, seed=seed),
        labelling_p_value(*sets, seed=seed),
        smallest_auroc(*groups),
    )


def density_ratio_scores(
    candidates: Float[np.ndarray, "candidates numbers"],
    candidate_groups: np.ndarray,
    drawn: Float[np.ndarray, "drawn numbers"],
    reference: Float[np.ndarray, "reference numbers"],
    reference_groups: np.ndarray,
    dimensions: int = 8,
) -> Float[np.ndarray, " candidates"]:
    """Membership scores that see the drawn set only: log of its density at a candidate over that of
    real data (DOMIAS, van Breugel et al., 2023 [vanbreugel2023]).

    Both are kernel density estimates in the principal components of drawn and reference examples,
    each scaled to deviation 1, with normal kernels of Scott's (1992) width. Real data of the
    candidate's own group are left out of its reference: its near-copies would drown the ratio.

    Args:
      candidates: trained-on and held-out examples.
      candidate_groups, reference_groups: recording or subject, in one naming.
      drawn: the set that would be released.
      reference: real examples; may hold the candidates.
      dimensions: principal components at most.

    Raises:
      ValueError: a candidate's group is the whole reference.
    """
    from sklearn.decomposition import PCA  # slow to import

    both = np.concatenate([drawn, reference]).astype(np.float64)
    most = min(dimensions, *both.shape)
    components = PCA(most, whiten=True, svd_solver="covariance_eigh").fit(both)
    where, made, real = (
        components.transform(part.astype(np.float64)) for part in (candidates, drawn, reference)
    )
    scores = _log_density(where, made)
    for name in np.unique(candidate_groups):
        mine, others = candidate_groups == name, reference_groups != name
        if not np.any(others):
            raise ValueError(f"no reference example outside the candidates' group {name}")
        scores[mine] -= _log_density(where[mine], real[others])
    return scores


def nearest_table(
    sets: Mapping[str, Float[np.ndarray, "n train"]], train_groups: np.ndarray
) -> dict[str, dict[str, float]]:
    """Of each set (drawn, held out, copies): percentiles of the distance to the nearest training
    example, as "p1" and so on, the least ("least"), the share that is nearest to the training group
    that most are nearest to ("most_used_share"), and "count"."""
    table = {}
    for name, distances in sets.items():
        nearest = group_distances(distances, np.asarray(train_groups))
        least = nearest.min(1)
        percentiles = np.percentile(least, DISTANCE_PERCENTILES)
        used = np.bincount(nearest.argmin(1), minlength=nearest.shape[1])
        table[name] = {
            "count": float(len(least)),
            "least": float(least.min()),
            **{f"p{k}": float(value) for k, value in zip(DISTANCE_PERCENTILES, percentiles)},
            "most_used_share": float(used.max() / used.sum()),
        }
    return table


def _standardised(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " m"]) -> float:
    """The Mann-Whitney statistic less its mean over its deviation if both are alike, no ties."""
    from scipy import stats  # slow to import

    n, m = len(first), len(second)
    ranks = stats.rankdata(np.concatenate([first, second]))
    above = ranks[:n].sum() - n * (n + 1) / 2
    return float((above - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def _t_value(drawn: np.ndarray, held_out: np.ndarray, groups: np.ndarray) -> float:
    """Of the held-out groups' chances against 0.5; the drawn set's own noise is left out."""
    ordered = np.sort(drawn)
    below = np.searchsorted(ordered, held_out, "left") + np.searchsorted(ordered, held_out, "right")
    farther = 1 - below / (2 * len(drawn))
    chances = np.array([farther[groups == name].mean() for name in np.unique(groups)])
    if len(chances) < 2:
        return float("nan")
    error = chances.std(ddof=1) / np.sqrt(len(chances))
    difference = float(chances.mean() - 0.5)
    return difference / float(error) if error > 0 else float(np.copysign(np.inf, difference))


def _log_density(
    where: Float[np.ndarray, "n d"], examples: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " n"]:
    """Normal kernels of deviation m ** (-1 / (d + 4)) times the components' own (1)."""
    count, size = examples.shape
    width = count ** (-1 / (size + 4))
    squares = (
        (where**2).sum(1)[:, None] - 2 * where @ examples.T + (examples**2).sum(1)[None]
    ) / width**2
    constant = np.log(count) + size * np.log(width * np.sqrt(2 * np.pi))
    return logsumexp(-0.5 * squares, axis=1) - constant
