"""What a set of grids looks like in numbers, to compare real, simulated and drawn ones."""

import numpy as np

PERCENTILES = (1, 25, 50, 75, 99)


def grid_facts(
    points: np.ndarray, visible: np.ndarray, recording: np.ndarray | None = None
) -> dict[str, float | list[float]]:
    """The facts of a set of frames, px unless the name says otherwise; nan where nothing is seen.

    Args:
      points: float (N, rows, columns, 2), px, x to the right and y down, row 0 at the bottom.
      visible: bool (N, rows, columns).
      recording: int (N,), frames of one recording next to one another; None: no motion is measured.

    Returns:
      visible_min, visible_mean, visible_max: points per frame. x_spacing, y_spacing: the
      percentiles `PERCENTILES` of the step between visible neighbours, x along rows and y (up)
      along columns. second_difference_{rows,columns}_{median,p95}: length of p[k-1] - 2 p[k] +
      p[k+1]. extent_{x,y}, centroid_{x,y}: [least, mean, greatest] over frames. missing_by_column
      (from the left), missing_by_row (from the bottom): per cent. order_violations_{x,y}: neighbour
      pairs out of order per 1000. motion_mean: mean distance that a point moves between consecutive
      frames of a recording.
    """
    grid = np.where(visible[..., None], points, np.nan).astype(np.float64)
    counts = visible.sum((1, 2))
    # A frame without a point has no place or size; it still counts in everything about visibility.
    seen = grid[counts > 0]
    extent = np.nanmax(seen, (1, 2)) - np.nanmin(seen, (1, 2))
    centroid = np.nanmean(seen, (1, 2))
    if not len(seen):
        extent = centroid = np.full((1, 2), np.nan)
    x_steps = _finite(np.diff(grid[..., 0], axis=2))
    y_steps = _finite(-np.diff(grid[..., 1], axis=1))
    facts: dict[str, float | list[float]] = {
        "visible_min": float(counts.min()),
        "visible_mean": float(counts.mean()),
        "visible_max": float(counts.max()),
        "x_spacing": np.percentile(x_steps, PERCENTILES).tolist(),
        "y_spacing": np.percentile(y_steps, PERCENTILES).tolist(),
    }
    for name, axis in (("rows", 2), ("columns", 1)):
        bends = _finite(np.linalg.norm(np.diff(grid, 2, axis=axis), axis=-1))
        facts[f"second_difference_{name}_median"] = float(np.median(bends))
        facts[f"second_difference_{name}_p95"] = float(np.percentile(bends, 95))
    for name, values in (("extent", extent), ("centroid", centroid)):
        for axis, letter in enumerate("xy"):
            one = values[:, axis]
            facts[f"{name}_{letter}"] = [float(one.min()), float(one.mean()), float(one.max())]
    facts["missing_by_column"] = (100 * (1 - visible.mean((0, 1)))).tolist()
    facts["missing_by_row"] = (100 * (1 - visible.mean((0, 2)))).tolist()
    facts["order_violations_x"] = float(1000 * np.mean(x_steps <= 0))
    facts["order_violations_y"] = float(1000 * np.mean(y_steps <= 0))
    if recording is not None and len(recording) > 1:
        moved = np.linalg.norm(np.diff(grid, axis=0), axis=-1)[np.diff(recording) == 0]
        if np.isfinite(moved).any():
            facts["motion_mean"] = float(np.nanmean(moved))
    return facts


def _finite(values: np.ndarray) -> np.ndarray:
    """The values between visible neighbours, flat; one nan where there are none."""
    finite = values[np.isfinite(values)]
    return finite if finite.size else np.array([np.nan])
