"""How a set of samples covers a set of real examples, in a space of features.

Precision and recall: [kynkaanniemi2019]; density and coverage: [naeem2020]. All four ask whether
points fall into balls around other points; a ball reaches to the k-th nearest neighbour of its
centre within its own set. Where examples come in groups (slices of a subject, frames of a
recording), neighbours of the same group are almost copies: given group labels, they do not count.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

_BLOCK = 1024  # rows of the distance matrix at a time

Features = Float[np.ndarray, "n dimension"]
Others = Float[np.ndarray, "m dimension"]


class Coverage(NamedTuple):
    """precision: part of the samples inside a real ball. recall: part of the real points inside a
    sample's ball. density: real balls a sample lies in, over k. coverage: part of the real balls
    that hold a sample."""

    precision: float
    recall: float
    density: float
    coverage: float


def compare(
    real: Float[np.ndarray, "..."],  # shapes are checked below
    samples: Float[np.ndarray, "..."],
    k: int = 5,
    real_groups: np.ndarray | None = None,
    sample_groups: np.ndarray | None = None,
) -> Coverage:
    """Precision, recall, density and coverage of `samples` against `real`.

    Args:
      real, samples: one row per point; the same features.
      k: which neighbour sets the radius of a ball.
      real_groups, sample_groups: a label per row, or None: every row is its own group.

    Raises:
      ValueError: another number of features or labels, or too few points for k neighbours.
    """
    if real.ndim != 2 or samples.ndim != 2 or real.shape[1] != samples.shape[1]:
        raise ValueError(f"features {real.shape} and {samples.shape}: expected (n, d) and (m, d)")
    real, samples = np.asarray(real, np.float64), np.asarray(samples, np.float64)
    real_radii = radii(real, k, real_groups)
    sample_radii = radii(samples, k, sample_groups)
    distances = _distances(real, samples)
    in_real = distances <= real_radii[:, None]
    in_sample = distances <= sample_radii[None]
    return Coverage(
        precision=float(in_real.any(0).mean()),
        recall=float(in_sample.any(1).mean()),
        density=float(in_real.sum(0).mean() / k),
        coverage=float(in_real.any(1).mean()),
    )


def radii(points: Features, k: int, groups: np.ndarray | None = None) -> Float[np.ndarray, " n"]:
    """Distance from every point to its k-th nearest neighbour of another group.

    Raises:
      ValueError: k below 1, labels of another length, or a point with fewer than k such neighbours.
    """
    points = np.asarray(points, np.float64)
    groups = np.arange(len(points)) if groups is None else np.asarray(groups)
    if len(groups) != len(points):
        raise ValueError(f"{len(groups)} group labels for {len(points)} points")
    _, labels, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if k < 1 or len(points) - sizes.max() < k:
        raise ValueError(
            f"k={k}: a point has {len(points) - sizes.max()} neighbours of other groups; expected "
            "1 <= k and at least k of them"
        )
    result = np.empty(len(points))
    for first in range(0, len(points), _BLOCK):
        rows = slice(first, first + _BLOCK)
        distances = _distances(points[rows], points)
        distances[_same(labels[rows], labels)] = np.inf
        result[rows] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return result


def nearest(
    points: Features,
    others: Others,
    groups: np.ndarray | None = None,
    other_groups: np.ndarray | None = None,
) -> Float[np.ndarray, " n"]:
    """Distance from every point to the nearest of `others`; with labels, of another group only."""
    distances = _distances(np.asarray(points, np.float64), np.asarray(others, np.float64))
    if groups is not None and other_groups is not None:
        distances[_same(np.asarray(groups), np.asarray(other_groups))] = np.inf
    return distances.min(1)


def _same(first: np.ndarray, second: np.ndarray) -> Bool[np.ndarray, "n m"]:
    return first[:, None] == second[None]


def _distances(first: Features, second: Others) -> Float[np.ndarray, "n m"]:
    """Euclidean, by |a|^2 - 2ab + |b|^2 in double precision about the common mean."""
    centre = second.mean(0, keepdims=True)
    first, second = first - centre, second - centre
    squares = (first**2).sum(1)[:, None] - 2 * first @ second.T + (second**2).sum(1)[None]
    return np.sqrt(np.maximum(squares, 0))
