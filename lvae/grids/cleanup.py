"""What a decoded grid goes through before it is drawn: smoothing, then points out of order are
dropped.

The post-processing of the reference notebook of [zilker], batched over grids. The same code runs
under NumPy (float64, equal to scikit-image to rounding) and, given JAX arrays, under `jax.numpy`
inside `jit`.

A grid is (rows, columns, 2): x, y in pixels or in any unit of which 0 means "no point". Row 0 is
the bottom row of the image, so along a row x grows with the column and along a column y falls as
the row grows.
"""

from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

# denoise_bilateral's weight of a neighbour by its place: win_size 3, sigma_spatial 100.
# scikit-image fills a 4 x 4 table over the offsets -2..1 and reads its first nine entries as a 3 x
# 3 one. The weights are within 4e-4 of each other either way, but 4e-4 of a 20 px spacing is
# visible at the precision promised here.
_OFFSETS = np.arange(-2, 2)
_PLACE_WEIGHTS = np.exp(
    -0.5 * (_OFFSETS[:, np.newaxis] ** 2 + _OFFSETS[np.newaxis, :] ** 2) / 100.0**2
).ravel()[:9]
# The reference's filter on LASTEN's grid: the deviation of 18 evenly spaced numbers, in pitches.
LASTEN_COLOR_PITCHES = ((18**2 - 1) / 12) ** 0.5
_COLOR_BINS = 10_000  # denoise_bilateral rounds differences down to this many steps of the maximum


def clean_up(
    points: Float[Any, "grids rows columns 2"],
    visible: Bool[Any, "grids rows columns"] | None = None,
    *,
    bilateral: bool = True,
    color_sigma: tuple[float, float] | None = None,
) -> tuple[Float[Any, "grids rows columns 2"], Bool[Any, "grids rows columns"]]:
    """Smooths decoded grids (unless `bilateral` is off) and drops the points that are out of order.

    Args:
      points: x, y.
      visible: which points the model says are seen; None where a model knows no visibility and
        writes missing points as (0, 0), as the notebook of [zilker] does.
      bilateral: whether to smooth.
      color_sigma: differences in x and in y, in the unit of `points`, at which a neighbour's
        weight has fallen to 0.61; None: each channel's standard deviation, as in the notebook of
        [zilker], which grows with the number of rows and columns. `LASTEN_COLOR_PITCHES` times the
        pitch is the same for any grid.

    Returns:
      The points, (0, 0) where dropped or missing, and which are kept.
    """
    if bilateral:
        points = (
            smooth(points, color_sigma)
            if visible is None
            else smooth_visible(points, visible, color_sigma)
        )
    return drop_irregular(points, visible)


def smooth(
    points: Float[Any, "grids rows columns 2"], color_sigma: tuple[float, float] | None = None
) -> Float[Any, "grids rows columns 2"]:
    """The bilateral stage ([tomasi1998]) of the notebook of [zilker]: filter each channel, shift it
    to minimum 0, restore its maximum.

    The filter is `skimage.restoration.denoise_bilateral(c, win_size=3, sigma_spatial=100,
    mode="edge")`, whose sigma_color defaults to the channel's standard deviation. Missing points,
    at (0, 0), take part like any other, which pulls their neighbours towards the corner: for grids
    whose visibility is known, use `smooth_visible`.
    """
    xp, points = _prepared(points)
    everywhere = xp.ones(points.shape[:-1], dtype=bool)
    filtered = _bilateral(xp, points, everywhere, color_sigma)
    highest = xp.max(points, axis=(1, 2), keepdims=True)
    filtered = filtered - xp.min(filtered, axis=(1, 2), keepdims=True)
    return filtered * _ratio(xp, highest, xp.max(filtered, axis=(1, 2), keepdims=True))


def smooth_visible(
    points: Float[Any, "grids rows columns 2"],
    visible: Bool[Any, "grids rows columns"],
    color_sigma: tuple[float, float] | None = None,
) -> Float[Any, "grids rows columns 2"]:
    """The same filter over visible points only: invisible neighbours weigh nothing and stay at (0,
    0).

    Each channel keeps the minimum and maximum of its visible points, so that the grid neither
    shrinks nor moves. Standard deviation and maximum, which set the filter's width, are those of
    the visible points.
    """
    xp, points = _prepared(points)
    seen = xp.asarray(visible)
    filtered = _bilateral(xp, xp.where(seen[..., np.newaxis], points, 0), seen, color_sigma)
    lowest, highest = _extremes(xp, points, seen)
    filtered_lowest, filtered_highest = _extremes(xp, filtered, seen)
    stretch = _ratio(xp, highest - lowest, filtered_highest - filtered_lowest)
    return xp.where(seen[..., np.newaxis], (filtered - filtered_lowest) * stretch + lowest, 0)


def drop_irregular(
    points: Float[Any, "grids rows columns 2"],
    visible: Bool[Any, "grids rows columns"] | None = None,
) -> tuple[Float[Any, "grids rows columns 2"], Bool[Any, "grids rows columns"]]:
    """Drops, in every row from the left, points whose x does not exceed the largest x kept so far,
    and then, in every column from the last row to the first, points whose y does not exceed the
    largest y kept.

    "The largest kept so far" is the largest of all before: what was dropped never exceeded it. So
    the sequential rule is one running maximum. It starts at 0: a point at x = 0 or y = 0 is no
    point.

    Returns:
      The points, (0, 0) where dropped or missing, and which are kept.
    """
    xp, points = _prepared(points)
    x, y = points[..., 0], points[..., 1]
    if visible is not None:
        x, y = xp.where(visible, x, 0), xp.where(visible, y, 0)
    kept = x > _largest_before(xp, x, axis=2)
    falling = xp.flip(xp.where(kept, y, 0), axis=1)
    kept = kept & xp.flip(falling > _largest_before(xp, falling, axis=1), axis=1)
    return xp.where(kept[..., np.newaxis], points, 0), kept


def _prepared(points: Any) -> tuple[ModuleType, Any]:
    """The array namespace of `points`, and `points` in the widest float that it offers."""
    if not hasattr(points, "__array_namespace__"):
        points = np.asarray(points)
    xp = points.__array_namespace__()
    return xp, points.astype(np.float64) if xp is np else points


def _bilateral(
    xp: ModuleType, points: Any, seen: Any, color_sigma: tuple[float, float] | None
) -> Any:
    """Weighted means over 3 x 3 neighbours, borders repeated; (grids, rows, columns, 2)."""
    rows, columns = points.shape[1:3]
    mask = seen[..., np.newaxis].astype(points.dtype)
    count = xp.maximum(xp.sum(mask, axis=(1, 2), keepdims=True), 1)
    mean = xp.sum(points * mask, axis=(1, 2), keepdims=True) / count
    variance = xp.sum((points - mean) ** 2 * mask, axis=(1, 2), keepdims=True) / count
    if color_sigma is not None:
        variance = (
            xp.zeros_like(variance)
            + np.square(np.array(color_sigma, points.dtype))[np.newaxis, np.newaxis, np.newaxis]
        )
    lowest, highest = _extremes(xp, points, seen)
    # Differences are counted in steps of the range from 0 (or from a negative minimum) to the
    # maximum, but weighed as if a step were a fraction of the maximum alone, as scikit-image does
    # it.
    reach = highest - xp.minimum(lowest, 0)
    steps = _ratio(xp, xp.full_like(reach, _COLOR_BINS), reach)
    decay = _ratio(xp, -0.5 * (highest / _COLOR_BINS) ** 2, variance)

    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    padded = xp.pad(points, border, mode="edge")
    padded_mask = xp.pad(mask, border, mode="edge")
    total, weights = xp.zeros_like(points), xp.zeros_like(points)
    for index, place_weight in enumerate(_PLACE_WEIGHTS):
        row, column = divmod(index, 3)
        window = np.s_[:, row : row + rows, column : column + columns]
        neighbour = padded[window]
        step = xp.minimum(xp.floor(xp.abs(neighbour - points) * steps), _COLOR_BINS - 1)
        weight = float(place_weight) * xp.exp(step**2 * decay) * padded_mask[window]
        total, weights = total + weight * neighbour, weights + weight
    return xp.where(weights > 0, total / xp.where(weights > 0, weights, 1), points)


def _extremes(xp: ModuleType, points: Any, seen: Any) -> tuple[Any, Any]:
    """Least and greatest coordinate of each grid's seen points, (grids, 1, 1, 2); 0 where none is
    seen."""
    mask = seen[..., np.newaxis]
    lowest = xp.min(xp.where(mask, points, np.inf), axis=(1, 2), keepdims=True)
    highest = xp.max(xp.where(mask, points, -np.inf), axis=(1, 2), keepdims=True)
    some = lowest <= highest
    return xp.where(some, lowest, 0), xp.where(some, highest, 0)


def _ratio(xp: ModuleType, above: Any, below: Any) -> Any:
    """above / below, and 0 where below is 0: a channel without any spread."""
    return xp.where(below == 0, 0, above / xp.where(below == 0, 1, below))


def _largest_before(xp: ModuleType, values: Any, axis: int) -> Any:
    """The largest of 0 and all values before each place along `axis`."""
    moved = xp.moveaxis(values, axis, -1)
    first = xp.zeros_like(moved[..., :1])
    shifted = xp.concatenate([first, moved[..., :-1]], axis=-1)
    return xp.moveaxis(xp.maximum.accumulate(shifted, axis=-1), -1, axis)
