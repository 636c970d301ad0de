"""How an array of points lies in the image: which index runs along x, and from which corner.

A grid in the project's order has x growing with the column along a row and y falling with the row
along a column. An array in any other order is that after at most a transposition and two flips.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

LEAST_ORDERED = 0.99  # of the visible neighbours; real sets have all of them in order


class Orientation(NamedTuple):
    """Transposition of the first two grid indices, then flips of rows and of columns."""

    transposed: bool = False
    rows_flipped: bool = False
    columns_flipped: bool = False

    def __str__(self) -> str:
        words = [name.replace("_", " ") for name, value in self._asdict().items() if value]
        return ", ".join(words) or "as it is"


ORIENTATIONS = tuple(Orientation(*choice) for choice in itertools.product((False, True), repeat=3))


def oriented(grids: np.ndarray, orientation: Orientation, first: int = -3) -> np.ndarray:
    """`grids` with its two grid axes, `first` and the one after it, in the project's order."""
    first %= grids.ndim
    if orientation.transposed:
        grids = np.swapaxes(grids, first, first + 1)
    if orientation.rows_flipped:
        grids = np.flip(grids, first)
    return np.flip(grids, first + 1) if orientation.columns_flipped else grids


def ordered_share(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> float:
    """Share of visible neighbours in order: x grows along a row, y falls along a column."""
    x, y = _steps(points, visible)
    return float(np.mean(np.concatenate([x, y]) > 0)) if len(x) + len(y) else 0.0


def find_orientation(
    points: Float[np.ndarray, "frames first second 2"],
    visible: Bool[np.ndarray, "frames first second"],
) -> tuple[Orientation, float]:
    """The orientation that orders the points, and the share of visible neighbours it orders.

    Of several that order enough of them (a grid that lies at a slant in the image has two) the one
    with the widest spacing: along its rows the grid runs more along x than along y. A set of which
    the share is below `LEAST_ORDERED` should be refused.
    """
    scored = []
    for orientation in ORIENTATIONS:
        x, y = _steps(oriented(points, orientation), oriented(visible, orientation, first=-2))
        steps = np.concatenate([x, y])
        share = float(np.mean(steps > 0)) if len(steps) else 0.0
        spacing = float(steps.mean()) if len(steps) else 0.0
        scored.append((min(share, LEAST_ORDERED), spacing, share, orientation))
    _, _, share, orientation = max(scored, key=lambda row: row[:2])
    return orientation, share


def _steps(points: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From visible neighbour to visible neighbour, px, positive in order: along rows in x, along
    columns in y."""
    x = np.diff(points[..., 0], axis=-1)[visible[..., :, 1:] & visible[..., :, :-1]]
    y = -np.diff(points[..., 1], axis=-2)[visible[..., 1:, :] & visible[..., :-1, :]]
    return x, y
