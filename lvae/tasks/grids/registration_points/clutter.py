"""Frames as a detector gives them: runs of points are missing, and some points belong to no ray."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from lvae.tasks.grids.registration_points.settings import PointAugmentationSettings

_SHARE = 0.5  # of frames that lose runs, and of frames that get stray points
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
