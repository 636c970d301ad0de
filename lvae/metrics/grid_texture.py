"""Local statistics of laser grids: what a grid looks like close up, wherever it lies."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

PERCENTILES = (5, 10, 25, 50, 75, 90, 95)
_ROUGH = 0.75  # of third differences, the smallest, that tell roughness


def pitch_of(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "2"]:
    """Median spacing of visible neighbours, px: along x within rows, along y within columns."""
    grid = np.where(visible[..., None], points, np.nan).astype(np.float64)
    return np.array(
        [
            np.nanmedian(np.abs(np.diff(grid[..., 0], axis=2))),
            np.nanmedian(np.abs(np.diff(grid[..., 1], axis=1))),
        ]
    )


def grid_texture_features(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
    pitch: Float[np.ndarray, "2"] | None = None,
) -> Float[np.ndarray, "frames numbers"]:
    """Percentiles of differences, of distances from neighbours, and the pattern of missing points.

    Of every frame, for x and y each in units of its pitch: percentiles of the first differences
    along rows and columns about their medians (which are the frame's size, turn and shear, that
    differ most between recordings and hide the rest), of the size of the second and third ones, and
    of the distance from the mean of the four neighbours; then `missing_pattern`. What needs a
    missing point is left out; 0 where nothing is left.

    Args:
      points, visible: the frames. Sets that are compared must be rounded alike: whole pixels are a
        texture of their own.
      pitch: px along x and y; None: of these frames. Sets that are compared need one and the same,
        or a difference in size is divided out.
    """
    scale = pitch_of(points, visible) if pitch is None else np.asarray(pitch, np.float64)
    grid = np.where(visible[..., None], points, np.nan).astype(np.float64) / scale
    parts = []
    for axis in (2, 1):  # along rows, along columns
        for order in (1, 2, 3):
            steps = np.diff(grid, order, axis=axis)
            if order == 1:
                steps = steps - _medians(steps)
            parts.append(_percentiles(steps if order == 1 else np.abs(steps)))
    inner = grid[:, 1:-1, 1:-1]
    neighbours = grid[:, :-2, 1:-1] + grid[:, 2:, 1:-1] + grid[:, 1:-1, :-2] + grid[:, 1:-1, 2:]
    parts.append(_percentiles(np.abs(inner - neighbours / 4)))
    parts.append(missing_pattern(visible))
    return np.concatenate(parts, axis=1)


def roughness(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "frames 2"]:
    """How rough every frame is in x and in y, px: the mean size of its third differences along rows
    and columns, the largest quarter left out. Smooth shapes add little to it, and steps at edges lie
    in the quarter that is left out; independent errors of deviation s give about 2.3 s. NaN where a
    frame has no four neighbours in a line."""
    grid = np.where(visible[..., None], points, np.nan).astype(np.float64)
    found = [np.abs(np.diff(grid, 3, axis=axis)).reshape(len(grid), -1, 2) for axis in (2, 1)]
    ordered = np.sort(np.concatenate(found, axis=1), axis=1)  # nan last
    kept = np.arange(ordered.shape[1])[None, :, None] < np.ceil(
        _ROUGH * np.isfinite(ordered).sum(axis=1)[:, None]
    )
    count = kept.sum(axis=1)
    total = np.where(kept, ordered, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def missing_pattern(
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "frames numbers"]:
    """Share of points that are missing, in the outer ring, and inside; and as shares of the missing
    points: those with a missing neighbour in the row, in the column, with none of either; the mean
    and the greatest size of a hole over the grid's rows, and the number of holes over them."""
    missing = ~visible
    frames, rows, _ = visible.shape
    ring = np.ones(visible.shape[1:], bool)
    ring[1:-1, 1:-1] = False
    padded = np.pad(missing, ((0, 0), (1, 1), (1, 1)))
    in_row = padded[:, 1:-1, :-2] | padded[:, 1:-1, 2:]
    in_column = padded[:, :-2, 1:-1] | padded[:, 2:, 1:-1]
    count = np.maximum(missing.sum((1, 2)), 1)
    numbers = np.zeros((frames, 9))
    numbers[:, 0] = missing.mean((1, 2))
    numbers[:, 1] = missing[:, ring].mean(1)
    numbers[:, 2] = missing[:, ~ring].mean(1) if (~ring).any() else 0
    numbers[:, 3] = (missing & in_row).sum((1, 2)) / count
    numbers[:, 4] = (missing & in_column).sum((1, 2)) / count
    numbers[:, 5] = (missing & ~in_row & ~in_column).sum((1, 2)) / count
    for index in np.flatnonzero(missing.any((1, 2))):
        labels, holes = ndimage.label(missing[index])
        sizes = np.bincount(labels.ravel())[1:]
        numbers[index, 6:] = sizes.mean() / rows, sizes.max() / rows, holes / rows
    return numbers


def _medians(values: Float[np.ndarray, "frames height width 2"]) -> np.ndarray:
    """Of x and y of every frame, (frames, 1, 1, 2); 0 without values."""
    flat = _percentiles(values).reshape(len(values), 1, 2, len(PERCENTILES))
    return flat[:, None, ..., PERCENTILES.index(50)]


def _percentiles(values: Float[np.ndarray, "frames height width 2"]) -> np.ndarray:
    """`PERCENTILES` of x and of y of every frame, (frames, 2 * percentiles); 0 without values."""
    flat = values.reshape(len(values), -1, 2)
    result = np.zeros((len(flat), 2, len(PERCENTILES)))
    if not flat.shape[1]:
        return result.reshape(len(flat), -1)
    # numpy.nanpercentile goes frame by frame in Python: sorting puts nan last in one call
    ordered = np.sort(flat, axis=1)
    counts = np.isfinite(flat).sum(1)
    for number, percent in enumerate(PERCENTILES):
        place = percent / 100 * np.maximum(counts - 1, 0)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, np.maximum(counts - 1, 0))
        below = np.take_along_axis(ordered, low[:, None], 1)[:, 0]
        above = np.take_along_axis(ordered, high[:, None], 1)[:, 0]
        result[..., number] = np.where(counts > 0, below + (place - low) * (above - below), 0)
    return result.reshape(len(flat), -1)
