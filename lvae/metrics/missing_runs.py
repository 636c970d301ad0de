"""How points of a grid go missing: how many, and whether with their neighbours."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

USUAL = 0.75  # a place that at least this share of frames show is a usual one


class MissingRuns(NamedTuple):
    """Shares. everywhere: of all points missing. single: of missing points without a missing
    neighbour in row or column. usual: of points missing at usual places. right, up: of the
    neighbours of missing points that are missing too, both at usual places. A half of a point is
    added to both sides, so that no share is 0 or 1."""

    everywhere: float
    single: float
    usual: float
    right: float
    up: float


def usual_places(
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Bool[np.ndarray, "rows columns"]:
    """Places that most frames show: not the glottis nor a border that is often cut off."""
    return visible.mean(axis=0) >= USUAL


def missing_runs(
    visible: Bool[np.ndarray, "frames rows columns"], usual: Bool[np.ndarray, "rows columns"]
) -> MissingRuns:
    """The shares over all frames together."""
    missing = ~visible
    there = missing & usual
    padded = np.pad(missing, ((0, 0), (1, 1), (1, 1)))
    beside = padded[:, 1:-1, :-2] | padded[:, 1:-1, 2:] | padded[:, :-2, 1:-1] | padded[:, 2:, 1:-1]
    return MissingRuns(
        _share(missing.sum(), missing.size),
        _share((missing & ~beside).sum(), missing.sum()),
        _share(there.sum(), usual.sum() * len(visible)),
        _share((there[..., 1:] & there[..., :-1]).sum(), (there[..., :-1] & usual[:, 1:]).sum()),
        _share((there[:, 1:] & there[:, :-1]).sum(), (there[:, :-1] & usual[1:]).sum()),
    )


def _share(part: np.integer, whole: np.integer | int) -> float:
    return (int(part) + 0.5) / (int(whole) + 1.0)
