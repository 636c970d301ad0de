"""Frames as a detector gives them: runs of points are missing, some points belong to no ray, and in
an open glottis some lie on tissue far below."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from lvae.tasks.grids.registration_points.settings import PointAugmentationSettings

_SHARE = 0.5  # of frames that lose runs, and of frames that get stray points
_LONGEST = 10  # rows of points that lie below
_CLOSEST = 0.5  # rows between them, at least
_REST = 0.7  # rows that all points beyond them are off, at most
_ASIDE = 0.25  # columns that they are moved by beside, for every row along
_CLOSED = 4  # points, at most, that such a column lacks at its end
_AROUND = 0.06  # of the grid's extent: so far beyond it stray points lie


def hide_runs(
    key: Key[Array, ""],
    visible: Bool[Array, "frames rows columns"],
    settings: PointAugmentationSettings,
) -> Bool[Array, "frames rows columns"]:
    """Half of the frames without some runs of neighbours along rows and columns."""
    chosen, share, begins, *spread = jax.random.split(key, 7)
    frames = len(visible)
    most = settings.runs * jax.random.uniform(share, (frames, 1, 1))
    lost = jax.random.bernoulli(begins, most, visible.shape)
    for turn, (axis, one) in enumerate(zip((2, 1, 2, 1), spread)):
        goes_on = jax.random.bernoulli(one, settings.run_length, visible.shape)
        lost = lost | (jnp.roll(lost, 1 if turn < 2 else -1, axis) & goes_on)
    return visible & ~(lost & jax.random.bernoulli(chosen, _SHARE, (frames, 1, 1)))


class _Stretch(NamedTuple):
    """Where points are sunken in each frame, (frames, 1, 1), rows and columns counted from 0.

    torn: the row where the column is torn. length: rows until the points lie as others do, or
    `rest` rows off. left, wide: columns. depth: rows that the torn end is moved by. aside: columns for
    each of these rows. lacking: points without which the column ends.
    """

    torn: Float[Array, "frames 1 1"]
    length: Float[Array, "frames 1 1"]
    rest: Float[Array, "frames 1 1"]
    left: Float[Array, "frames 1 1"]
    wide: Float[Array, "frames 1 1"]
    depth: Float[Array, "frames 1 1"]
    aside: Float[Array, "frames 1 1"]
    lacking: Float[Array, "frames 1 1"]


def sink(
    key: Key[Array, ""],
    points: Float[Array, "frames rows columns 2"],
    visible: Bool[Array, "frames rows columns"],
    settings: PointAugmentationSettings,
) -> tuple[Float[Array, "frames rows columns 2"], Bool[Array, "frames rows columns"]]:
    """A share of the frames with a stretch of one or two columns on tissue below, as in a glottis
    that is open: along its line in the image every ray meets it farther on. The points are moved up
    their column, by up to `sunken_rows` where it is torn, then less and less; their order stays. Some
    such columns lack points at their end, where the glottis is widest."""
    frames, rows, columns = visible.shape
    places, chosen = jax.random.split(key)
    stretch = _stretch(places, frames, rows, columns, abs(settings.sunken_rows))
    up, right = (_pitch(points, visible, axis) for axis in (1, 2))
    row, column = jnp.arange(rows).reshape(1, -1, 1), jnp.arange(columns).reshape(1, 1, -1)
    if settings.sunken_rows < 0:
        row = rows - 1 - row
        up = -up
    beyond = row - stretch.torn
    own = (column >= stretch.left) & (column < stretch.left + stretch.wide)
    own = own & jax.random.bernoulli(chosen, settings.sunken, (frames, 1, 1))
    falling = jnp.maximum(0.0, 1 - beyond / stretch.length)
    rows_on = stretch.rest + (stretch.depth - stretch.rest) * falling
    rows_on = jnp.where(own & (beyond >= 0), rows_on, 0.0)[..., None]
    moved = points + rows_on * up + rows_on * stretch.aside[..., None] * right
    return moved, visible & ~(own & (row >= rows - stretch.lacking))


def _stretch(key: Key[Array, ""], frames: int, rows: int, columns: int, deepest: float) -> _Stretch:
    """Anywhere, most often in the middle columns."""

    draws = iter(jax.random.split(key, 11))

    def uniform() -> Float[Array, "frames 1 1"]:
        return jax.random.uniform(next(draws), (frames, 1, 1))

    length = jnp.floor(1 + _LONGEST * uniform())
    depth = jnp.minimum(deepest, (1 - _CLOSEST) * length) * (0.3 + 0.7 * uniform())
    rest = jnp.where(uniform() < 0.5, 0.0, jnp.minimum(_REST, depth) * uniform())
    lacking = jnp.where(uniform() < 0.5, 0.0, jnp.floor((_CLOSED + 1) * uniform()))
    return _Stretch(
        torn=jnp.floor(rows * uniform()),
        length=length,
        rest=rest,
        left=jnp.floor(columns * (uniform() + uniform()) / 2),
        wide=jnp.where(uniform() < 0.5, 1.0, 2.0),
        depth=depth,
        aside=_ASIDE * (2 * uniform() - 1),
        lacking=lacking,
    )


def _pitch(
    points: Float[Array, "frames rows columns 2"],
    visible: Bool[Array, "frames rows columns"],
    axis: int,
) -> Float[Array, "frames 1 1 2"]:
    """From a point to the next along an axis, on average."""
    count = points.shape[axis]
    one, other = (
        tuple(jax.lax.slice_in_dim(array, start, start + count - 1, axis=axis) for start in (0, 1))
        for array in (points, visible)
    )
    both = (other[0] & other[1])[..., None]
    total = jnp.sum(jnp.where(both, one[1] - one[0], 0.0), axis=(1, 2), keepdims=True)
    return total / jnp.maximum(jnp.sum(both, axis=(1, 2), keepdims=True), 1)


def with_strays(
    key: Key[Array, ""],
    points: Float[Array, "frames points 2"],
    visible: Bool[Array, "frames points"],
    most: int,
) -> tuple[Float[Array, "frames more 2"], Bool[Array, "frames more"]]:
    """`most` further points behind the others, anywhere about them, of which half of the frames show
    1 to all."""
    place, number, chosen = jax.random.split(key, 3)
    frames = len(points)
    seen = visible[..., None]
    lowest = jnp.min(jnp.where(seen, points, jnp.inf), axis=1, keepdims=True)
    highest = jnp.max(jnp.where(seen, points, -jnp.inf), axis=1, keepdims=True)
    margin = _AROUND * (highest - lowest)
    anywhere = jax.random.uniform(place, (frames, most, 2))
    strays = lowest - margin + (highest - lowest + 2 * margin) * anywhere
    count = jax.random.randint(number, (frames, 1), 1, most + 1)
    count = count * jax.random.bernoulli(chosen, _SHARE, (frames, 1))
    there = jnp.arange(most)[None] < count
    return jnp.concatenate([points, strays], axis=1), jnp.concatenate([visible, there], axis=1)
