"""How slices differ from real ones in numbers that no model here was trained on: see
`lvae.metrics.slice_statistics`.

The same numbers for three pairs say whose fault a difference is: drawn slices against decoded real
ones (the prior's), decoded against real ones (the codec's), drawn against real ones (both).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lvae.metrics import generative, slice_statistics
from lvae.metrics.two_sample import two_sample_auroc
from lvae.tasks.brain.slices import Slices

TREES = 100
NAMED = 3  # statistics that tell the most


class Described(NamedTuple):
    """Slices as rows of statistics. groups: subject of each; None: each is its own."""

    statistics: Float[np.ndarray, "n numbers"]
    groups: np.ndarray | None


def described(images: Slices, groups: np.ndarray | None = None) -> Described:
    """The statistics of uint8 slices."""
    return Described(slice_statistics.slice_features(images / 255.0), groups)


def told_apart(name: str, real: Described, others: Described) -> dict[str, object]:
    """`auroc_NAME` of a forest that tells `others` from `real`, by subject, with its interval over
    the subjects held out (`_low`, `_high`), and the statistics that it goes by (`_tells`).

    0.5: it cannot; 1: it always can; nan: fewer than two subjects.
    """
    groups = _groups(real)
    others_groups = _groups(others)
    if min(len(np.unique(groups)), len(np.unique(others_groups))) < 2:
        return {f"auroc_{name}{end}": float("nan") for end in ("", "_low", "_high")}
    folds = min(20, len(np.unique(others_groups)))
    found = two_sample_auroc(
        real.statistics, others.statistics, groups, others_groups, TREES, most_folds=folds
    )
    order = np.argsort(found.importance)[::-1][:NAMED]
    return {
        f"auroc_{name}": found.auroc.value,
        f"auroc_{name}_low": found.auroc.low,
        f"auroc_{name}_high": found.auroc.high,
        f"auroc_{name}_tells": [slice_statistics.NAMES[index] for index in order],
    }


def compared(real: Described, others: Described, neighbours: int) -> generative.Coverage:
    """Precision, recall, density and coverage of `others` against `real`, in the statistics,
    standardised by those of `real`."""
    middle, scale = real.statistics.mean(0), real.statistics.std(0) + 1e-6
    return generative.compare(
        (real.statistics - middle) / scale,
        (others.statistics - middle) / scale,
        neighbours,
        real.groups,
        others.groups,
    )


def _groups(part: Described) -> np.ndarray:
    return np.arange(len(part.statistics)) if part.groups is None else part.groups
