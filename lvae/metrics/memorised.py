"""Are drawn examples nearer to what was trained on than to what was not?

By recording or subject, never by frame: each drawn example has one nearest group, and a generator
that remembers nobody has it among the training groups as often as these are among all.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtr, ndtri  # as norm.cdf and norm.ppf, which are slow to import

from lvae.metrics.grouped_auroc import MANY_GROUPS, labellings


class MemorisedShare(NamedTuple):
    """share: of drawn examples nearest to a training group (a tie counts a half), with an interval
    over groups (low, high). chance: training groups over all groups; chance_low, chance_high: 95 %
    of the shares if the groups' labels meant nothing. p_value: chance of such a share or a higher
    one then. smallest_copied: part of the examples that would have to be copies of training
    groups to be found (one-sided 5 %, four times out of five); nan where none would."""

    share: float
    low: float
    high: float
    chance: float
    chance_low: float
    chance_high: float
    p_value: float
    smallest_copied: float


def memorised_share(
    to_train: Float[np.ndarray, "drawn train"],
    to_held_out: Float[np.ndarray, "drawn held_out"],
    train_groups: np.ndarray,
    held_out_groups: np.ndarray,
    draws: int = 2000,
    seed: int = 0,
) -> MemorisedShare:
    """Share of drawn examples that are nearest to a group that was trained on, and what to expect.

    The chance level takes groups to be exchangeable, whatever their lengths. With n training groups
    of N, c_g the share of examples nearest to group g, and all labellings alike, the share has mean
    n / N and variance n (1 - n / N) var(c), var with N - 1 (drawing without replacement). Where the
    generator holds to a group by another property than memory (the most usual one, say), var(c)
    grows and the measure says less: `smallest_copied` shows it.

    Args:
      to_train, to_held_out: distances of every drawn example to every example of both sets, in one
        measure. Held-out examples must not have been used in any choice.
      train_groups, held_out_groups: recording or subject of these; a label in both is two groups.
      draws: bootstrap samples: groups drawn with replacement within both sets, each with the
        drawn examples that are nearest to it.
      seed: of the draws.

    Raises:
      ValueError: labels of another length, or an empty set.
    """
    near = group_distances(to_train, train_groups), group_distances(to_held_out, held_out_groups)
    distances = np.concatenate(near, axis=1)
    trained, total = near[0].shape[1], distances.shape[1]
    shares = nearest_shares(distances)
    share, chance = float(shares[:trained].sum()), trained / total
    chance_low, chance_high, p_value = _null(shares, trained, share, seed)
    low, high = np.percentile(_bootstrap(shares, trained, draws, seed), [2.5, 97.5])
    return MemorisedShare(
        share,
        float(low),
        float(high),
        chance,
        float(chance_low),
        float(chance_high),
        p_value=p_value,
        smallest_copied=_smallest_copied(shares, trained),
    )


def group_distances(
    distances: Float[np.ndarray, "drawn examples"], groups: np.ndarray
) -> Float[np.ndarray, "drawn groups"]:
    """Distance of every drawn example to the nearest example of each group, groups in sorted order.

    Raises:
      ValueError: labels of another length, or none.
    """
    if distances.shape[1] != len(groups) or not len(groups):
        raise ValueError(f"{len(groups)} group labels for distances to {distances.shape[1]}")
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    return np.minimum.reduceat(distances[:, np.argsort(index, kind="stable")], starts, axis=1)


def nearest_shares(distances: Float[np.ndarray, "drawn groups"]) -> Float[np.ndarray, " groups"]:
    """Share of drawn examples nearest to each group; groups that tie share the example."""
    nearest = distances == distances.min(1, keepdims=True)
    return (nearest / nearest.sum(1, keepdims=True)).mean(0)


def noisy_copies(
    points: Float[np.ndarray, "frames rows columns 2"],
    count: int,
    deviation: float = 0.5,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "count rows columns 2"], np.ndarray]:
    """The control: frames that are taken in turn, plus normal noise of this deviation, px, in x and
    in y; and which frame each is a copy of."""
    source = np.arange(count) % len(points)
    noise = np.random.default_rng(seed).standard_normal((count, *points.shape[1:]))
    return points[source] + deviation * noise, source


def rms_distances(
    points: Float[np.ndarray, "first rows columns 2"],
    visible: Bool[np.ndarray, "first rows columns"],
    other_points: Float[np.ndarray, "second rows columns 2"],
    other_visible: Bool[np.ndarray, "second rows columns"],
) -> Float[np.ndarray, "first second"]:
    """Root mean square distance, px, over the points that both grids have, after the translation that
    makes their means over these points equal. Infinite where they share no point.

    All sums over pairs are products of matrices: with masks m and points p of two grids, the sum of
    squares is m.p2 - 2 p.p + p2.m, the sum of differences p.m - m.p.
    """
    seen, other_seen = (
        mask.reshape(len(mask), -1).astype(float) for mask in (visible, other_visible)
    )
    first, second = (
        np.where(mask.reshape(len(mask), -1, 1) > 0, grid.reshape(len(grid), -1, 2), 0).astype(
            float
        )
        for grid, mask in ((points, seen), (other_points, other_seen))
    )
    # About a common place, or the squares of large coordinates drown their differences.
    middle = first.sum((0, 1)) / max(seen.sum(), 1)
    first, second = (
        (grid - middle) * mask[..., None] for grid, mask in ((first, seen), (second, other_seen))
    )
    both = seen @ other_seen.T
    count = np.maximum(both, 1)
    squares = np.zeros(both.shape)
    for axis in range(2):
        one, other = first[..., axis], second[..., axis]
        squares += one**2 @ other_seen.T - 2 * one @ other.T + seen @ (other**2).T
        squares -= (one @ other_seen.T - seen @ other.T) ** 2 / count
    return np.where(both > 0, np.sqrt(np.maximum(squares, 0) / count), np.inf)


def _null(
    shares: Float[np.ndarray, " groups"], trained: int, share: float, seed: int
) -> tuple[float, float, float]:
    """Of the share over labellings: 2.5 and 97.5 percent points, and the chance of so much or more.
    By counting; of more than `MANY_GROUPS` groups by the normal distribution."""
    total = len(shares)
    if total <= MANY_GROUPS:
        null = shares[labellings(total, trained, seed)].sum(1)
        low, high = np.percentile(null, [2.5, 97.5])
        return float(low), float(high), float(np.mean(null >= share - 1e-12))
    chance = trained / total
    deviation = np.sqrt(trained * (1 - chance) * shares.var(ddof=1))
    low, high = chance + deviation * ndtri([0.025, 0.975])
    beyond = ndtr((chance - share) / max(deviation, 1e-12))  # no spread: any excess is beyond
    return max(0.0, float(low)), min(1.0, float(high)), float(beyond)


def _bootstrap(
    shares: Float[np.ndarray, " groups"], trained: int, draws: int, seed: int
) -> Float[np.ndarray, " draws"]:
    """The share when groups are drawn anew within both sets, each with the examples nearest to it.

    Nearest groups are not searched for anew: a copy whose source is not drawn would then count as
    nobody's."""
    random = np.random.default_rng(seed)
    near = _drawn_shares(random, shares[:trained], draws)
    far = _drawn_shares(random, shares[trained:], draws)
    some = near + far > 0
    return near[some] / (near + far)[some]


def _drawn_shares(
    random: np.random.Generator, shares: Float[np.ndarray, " groups"], draws: int
) -> Float[np.ndarray, " draws"]:
    """Sum of the shares of as many groups drawn with replacement. Only groups that have a share are
    drawn one by one: all others are one more kind, so that thousands of them cost nothing."""
    some = shares[shares > 0]
    rest = len(shares) - len(some)
    chances = np.append(np.full(len(some), 1 / len(shares)), rest / len(shares))
    return random.multinomial(len(shares), chances, size=draws)[:, :-1] @ some


def _smallest_copied(shares: Float[np.ndarray, " groups"], trained: int) -> float:
    """Copies are all nearest to training groups, so that a part q of them lifts the share from the
    chance level p to p + q (1 - p), by normal approximation."""
    total = len(shares)
    if total - trained < 1 or total < 2:
        return float("nan")
    chance = trained / total
    deviation = np.sqrt(trained * (1 - chance) * shares.var(ddof=1))
    needed = float((ndtri(0.95) + ndtri(0.8)) * deviation / (1 - chance))
    return needed if needed <= 1 else float("nan")
