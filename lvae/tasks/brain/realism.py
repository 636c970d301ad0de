"""How slices differ from real ones in numbers that no model here was trained on: see
`lvae.metrics.slice_statistics` and `lvae.metrics.slice_shapes`.

The same numbers for three pairs say whose fault a difference is: drawn slices against decoded real
ones (the prior's), decoded against real ones (the codec's), drawn against real ones (both).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lvae.metrics import generative, slice_shapes, slice_statistics
from lvae.metrics.two_sample import two_sample_auroc
from lvae.tasks.brain.slices import Slices

TREES = 100
NAMED = 3  # statistics that tell the most


class Described(NamedTuple):
    """Slices as rows of statistics, and of numbers of their shapes. groups: subject of each; None: each
    is its own."""

    statistics: Float[np.ndarray, "n numbers"]
    shapes: Float[np.ndarray, "n others"]
    groups: np.ndarray | None


def described(images: Slices, groups: np.ndarray | None = None) -> Described:
    """The statistics of uint8 slices."""
    grey = images / 255.0
    return Described(
        slice_statistics.slice_features(grey), slice_shapes.shape_features(grey), groups
    )


def told_apart(name: str, real: Described, others: Described) -> dict[str, object]:
    """`auroc_NAME` of a forest that tells `others` from `real` by the statistics, by subject, with its
    interval over the subjects held out (`_low`, `_high`), and the statistics that it goes by (`_tells`);
    `auroc_shapes_NAME` the same by the shapes.

    0.5: it cannot; 1: it always can; nan: fewer than two subjects. Slices of the same subjects are
    versions of each other and held out together.
    """
    statistics = (real.statistics, others.statistics), slice_statistics.NAMES
    shapes = (real.shapes, others.shapes), slice_shapes.NAMES
    groups = _groups(real), _groups(others)
    found: dict[str, object] = {}
    for label, (numbers, names) in ((name, statistics), (f"shapes_{name}", shapes)):
        found |= _by_forest(f"auroc_{label}", numbers, groups, names)
    return found


def _by_forest(
    label: str,
    numbers: tuple[np.ndarray, np.ndarray],
    groups: tuple[np.ndarray, np.ndarray],
    names: Sequence[str],
) -> dict[str, object]:
    own, of_others = (np.unique(part) for part in groups)
    if min(len(own), len(of_others)) < 2:
        return {f"{label}{end}": float("nan") for end in ("", "_low", "_high")}
    twins, folds = np.array_equal(own, of_others), min(20, len(of_others))
    found = two_sample_auroc(*numbers, *groups, TREES, most_folds=folds, twins=twins)
    order = np.argsort(found.importance)[::-1][:NAMED]
    return {
        label: found.auroc.value,
        f"{label}_low": found.auroc.low,
        f"{label}_high": found.auroc.high,
        f"{label}_tells": [names[index] for index in order],
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
