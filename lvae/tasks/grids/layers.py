"""What can be laid over the picture of a grid: points, grid lines, missing points, violations."""

import numpy as np
from jaxtyping import Bool, Float

from lvae.tasks.exploring import Layer

Grid = Float[np.ndarray, "rows columns 2"]
Seen = Bool[np.ndarray, "rows columns"]


def of_grid(points: Grid, visible: Seen) -> list[Layer]:
    """Points, grid lines, missing points and order violations.

    Args:
      points: px; of missing points, where they would be.
      visible: which are seen.
    """
    return [
        Layer("points", "points", "points", points[visible], texts(points, visible), shown=False),
        Layer("lines", "grid lines", "lines", grid_lines(points, visible), shown=False),
        Layer(
            "missing", "missing points", "points", points[~visible],
            [f"{text}, missing" for text in texts(points, ~visible)], shown=False,
        ),
        Layer("order", "order violations", "lines", out_of_order(points, visible)),
    ]  # fmt: skip


def far_off(points: Grid, distances: Float[np.ndarray, "rows columns"], limit: float) -> Layer:
    """Points farther than `limit` px from their epipolar lines; distances are NaN where missing."""
    off = distances > limit
    said = [
        f"{text}, {distance:.1f} px off its epipolar line"
        for text, distance in zip(texts(points, off), distances[off])
    ]
    return Layer(
        "epipolar", f"over {limit:.1f} px off their epipolar lines", "points", points[off], said
    )


def texts(points: Grid, chosen: Seen) -> list[str]:
    """Row, column and place of the chosen points."""
    rows, columns = np.nonzero(chosen)
    return [
        f"row {row}, column {column}: x {x:.0f}, y {y:.0f}"
        for row, column, (x, y) in zip(rows, columns, points[chosen])
    ]


def grid_lines(points: Grid, visible: Seen) -> Float[np.ndarray, "lines 4"]:
    """Between neighbours that are both seen."""
    return np.concatenate([_joined(points, *pair) for pair in _neighbours(visible)])


def out_of_order(points: Grid, visible: Seen) -> Float[np.ndarray, "lines 4"]:
    """Between seen neighbours of a row of which the right one does not lie to the right, and of a
    column of which the upper one does not lie above."""
    right, up = _neighbours(visible)
    wrong_x = right[0] & (np.roll(points[..., 0], -1, axis=1) <= points[..., 0])
    wrong_y = up[0] & (np.roll(points[..., 1], -1, axis=0) >= points[..., 1])
    return np.concatenate([_joined(points, wrong_x, 1), _joined(points, wrong_y, 0)])


def _neighbours(visible: Seen) -> list[tuple[Seen, int]]:
    """Which points are seen together with the next one of their row, and of their column; the axis."""
    pairs = []
    for axis in (1, 0):
        both = visible & np.roll(visible, -1, axis)
        np.moveaxis(both, axis, 0)[-1] = False  # the last has no next one
        pairs.append((both, axis))
    return pairs


def _joined(points: Grid, first: Seen, axis: int) -> Float[np.ndarray, "lines 4"]:
    return np.concatenate([points[first], np.roll(points, -1, axis)[first]], axis=1)
