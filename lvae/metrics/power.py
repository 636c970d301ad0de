"""The smallest leak that so few recordings can show."""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr, ndtri

_EXACT = 400  # products of group counts up to which nothing is approximated
_DRAWS = 4000  # standard error of a power of 0.8: 0.006
_HIGHEST = 0.9999  # an AUROC above it is not told from 1


def smallest_auroc(
    first: int, second: int, alpha: float = 0.05, power: float = 0.8, seed: int = 0
) -> float:
    """The least AUROC that a one-sided Mann-Whitney test at `alpha` finds with this `power`.

    Each group gives one score, normal with the same deviation on both sides; AUROC is
    Phi(shift / sqrt 2). Up to a product of 400 the critical value is exact and the power simulated;
    above, both are by normal approximation.

    Args:
      first, second: groups (recordings, subjects) on either side.
      alpha: chance of a finding where there is nothing.
      power: chance of a finding where there is something.
      seed: of the simulation.

    Returns:
      nan where no AUROC is found so often: the smallest p value of n and m groups is
      1 / (n + m choose n), which may lie above alpha.

    Raises:
      ValueError: a count below 1.
    """
    if min(first, second) < 1:
        raise ValueError(f"{first} and {second} groups: at least one each is needed")
    if first * second > _EXACT:
        return _by_approximation(first, second, alpha, power)
    distribution = mann_whitney_distribution(first, second)
    tails = np.cumsum(distribution[::-1])[::-1]
    found = np.flatnonzero(tails <= alpha * (1 + 1e-12))
    if not len(found):
        return float("nan")
    random = np.random.default_rng(seed)
    scores, others = (
        random.standard_normal((_DRAWS, first)),
        random.standard_normal((_DRAWS, second)),
    )
    # The shift at which a draw is found: its differences in order, the k-th from above passes 0.
    differences = np.sort((scores[:, :, None] - others[:, None]).reshape(_DRAWS, -1), axis=1)
    needed = -differences[:, first * second - found[0]]
    shift = float(np.quantile(needed, power))
    auroc = float(ndtr(max(shift, 0.0) / np.sqrt(2)))
    return auroc if auroc <= _HIGHEST else float("nan")


def mann_whitney_distribution(first: int, second: int) -> Float[np.ndarray, " statistics"]:
    """Chance of each number of pairs, 0 to first * second, in which the first scores higher, if all
    orders are alike (Mann and Whitney, 1947): f(n, m, u) = f(n - 1, m, u - m) + f(n, m - 1, u)."""
    size = first * second + 1
    counts = np.zeros((first + 1, size))
    counts[:, 0] = 1  # against nobody
    for m in range(1, second + 1):
        after = np.zeros_like(counts)
        after[0, 0] = 1
        for n in range(1, first + 1):
            after[n] = counts[n]
            after[n, m:] += after[n - 1, : size - m]
        counts = after
    return counts[first] / counts[first].sum()


def _by_approximation(first: int, second: int, alpha: float, power: float) -> float:
    from scipy.optimize import brentq  # slow to import
    from scipy.stats import multivariate_normal

    null = np.sqrt((first + second + 1) / (12 * first * second))

    def beyond(auroc: float) -> float:
        place = ndtri(auroc)
        # that both pairs of two scores and one other are in order; two others and one are alike
        both = multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).cdf([place, place])
        variance = auroc * (1 - auroc) + (first + second - 2) * (both - auroc**2)
        deviation = np.sqrt(variance / (first * second))
        return auroc - 0.5 - ndtri(1 - alpha) * null - ndtri(power) * deviation

    return float(brentq(beyond, 0.5, _HIGHEST)) if beyond(_HIGHEST) > 0 else float("nan")
