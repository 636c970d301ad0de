"""Which ray does a warped point belong to, and how often is the answer right?

Rays are the points of the fixed grid, numbered row * columns + column.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

UNMATCHED = -1


def nearest_rays(
    warped: Float[np.ndarray, "points 2"], rays: Float[np.ndarray, "rays 2"]
) -> Int[np.ndarray, " points"]:
    """The nearest ray of every point; two points may share one."""
    return _squared_distances(warped, rays).argmin(axis=1)


def distinct_rays(
    warped: Float[np.ndarray, "points 2"], rays: Float[np.ndarray, "rays 2"]
) -> Int[np.ndarray, " points"]:
    """A ray of its own for every point, the sum of squared distances the least possible
    ([crouse2016]).

    Where no two points share their nearest ray, these are the nearest rays. Of more points than rays
    those that are left over get UNMATCHED.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    labels = np.full(len(warped), UNMATCHED)
    points, chosen = linear_sum_assignment(_squared_distances(warped, rays))
    labels[points] = chosen
    return labels


def matching_measures(
    warped: Float[np.ndarray, "frames rays 2"],
    visible: Bool[np.ndarray, "frames rays"],
    rays: Float[np.ndarray, "rays 2"],
    recording: Int[np.ndarray, " frames"],
    scale: float = 1.0,
) -> dict[str, list[float]]:
    """Measures by recording, in the order of their numbers.

    Args:
      warped: where the points of each ray ended up, px; read where visible only.
      visible: which points there are.
      rays: where they should be, px.
      recording: of each frame.
      scale: px of the error that is reported in one px of these.

    Returns:
      error_px: mean distance of a point to its place. accuracy, repaired_accuracy: share of points
      with the right ray, by `nearest_rays` and by `distinct_rays`. faultless_frames: share of frames
      all of whose points have the right ray after the repair.
    """
    rows = [_of_frame(*frame, rays, scale) for frame in zip(warped, visible)]
    names = ("error_px", "accuracy", "repaired_accuracy", "faultless_frames")
    table = np.array(rows)
    return {
        name: [float(table[recording == one, column].mean()) for one in np.unique(recording)]
        for column, name in enumerate(names)
    }


def _of_frame(
    warped: np.ndarray, visible: np.ndarray, rays: np.ndarray, scale: float
) -> tuple[float, float, float, float]:
    truth = np.flatnonzero(visible)
    points = warped[truth]
    error = np.linalg.norm(points - rays[truth], axis=-1).mean() * scale
    right = nearest_rays(points, rays) == truth
    repaired = distinct_rays(points, rays) == truth
    return float(error), float(right.mean()), float(repaired.mean()), float(repaired.all())


def _squared_distances(points: np.ndarray, rays: np.ndarray) -> np.ndarray:
    return ((points[:, None].astype(np.float64) - rays[None]) ** 2).sum(axis=-1)
