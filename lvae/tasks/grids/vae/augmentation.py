"""New grids from old ones, on the device, at every step of training.

Works on the shape (what the pose leaves) and the pose apart: shapes are mirrored, shifted along the
grid, mixed with another frame's and warped; poses are stretched, sheared, turned and moved.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from lvae.models.ordered_grid import fit_pose, posed_grid
from lvae.tasks.grids.scale import Scale
from lvae.tasks.grids.vae.settings import AugmentationSettings


class Shaped(NamedTuple):
    """Frames as pose and shape: every point has a place, also where it was not seen.

    pose: (frames, 3, 2). shape: (frames, rows, columns, 2), px. visible: (frames, rows, columns).
    """

    pose: Array
    shape: Array
    visible: Array


def to_shaped(points: Array, filled: Array, visible: Array) -> Shaped:
    """Splits frames into pose and shape; `filled` has a place for missing points too."""
    pose = fit_pose(points, visible)
    rows, columns = visible.shape[1:]
    return Shaped(pose, filled - posed_grid(pose, rows, columns), visible)


def augment(
    key: Key[Array, ""],
    frames: Shaped,
    center: Float[Array, "2"],
    scale: Scale,
    settings: AugmentationSettings,
) -> tuple[Float[Array, "frames rows columns 2"], Bool[Array, "frames rows columns"]]:
    """One new grid for every frame: (points, visible), px.

    Args:
      key: of this step.
      frames: a batch; mixing takes its partners from the same batch.
      center: mean place of the grids in the frame, around which new ones are placed.
      scale: of the run.
      settings: probabilities and spreads.
    """
    count, rows, columns = frames.visible.shape
    keys = dict(zip(_DRAWS, jax.random.split(key, len(_DRAWS))))
    shape, visible = _mirrored(keys["mirror"], frames.shape, frames.visible, settings.mirror)
    shape, visible = _shifted(keys["shift"], shape, visible, settings.shift)
    shape, visible = _mixed(keys["mix"], shape, visible, settings.mix, settings.mix_reach)
    shape = shape + warps(keys["warp"], count, scale, settings)
    kept = jax.random.uniform(keys["dropout"], visible.shape)
    share = jax.random.uniform(keys["share"], (count, 1, 1), maxval=settings.dropout)
    visible = visible & (kept >= share)
    linear = jnp.eye(2)[None] + settings.linear * jax.random.normal(keys["linear"], (count, 2, 2))
    pose = jnp.einsum("nkd,nde->nke", frames.pose, linear)
    shape = jnp.einsum("nrcd,nde->nrce", shape, linear)
    moved = center[None] + settings.translation * scale.whole.mean * jax.random.normal(
        keys["move"], (count, 2)
    )
    pose = pose.at[:, 0].set(moved)
    shape = shape + settings.jitter * scale.point * jax.random.normal(keys["jitter"], shape.shape)
    return posed_grid(pose, rows, columns) + shape, visible


_DRAWS = ("mirror", "shift", "mix", "warp", "dropout", "share", "linear", "move", "jitter")


def warps(
    key: Key[Array, ""], count: int, scale: Scale, settings: AugmentationSettings
) -> Float[Array, "count rows columns 2"]:
    """Smooth displacement fields, px: cosines along rows and columns with normal amplitudes.

    The amplitude's spread falls as `(1 + |k|) ** -warp_decay` with the wave number k, x and y apart:
    the rays' planes hold x nearly fixed while depth moves y.
    """
    across = _cosines(scale.columns, settings.warp_order)
    upward = _cosines(scale.rows, settings.warp_order)
    length = np.sqrt(np.arange(len(upward))[:, None] ** 2 + np.arange(len(across))[None, :] ** 2)
    falling = (1.0 + length) ** -settings.warp_decay
    size = np.array([settings.warp_x, settings.warp_y]) * np.array(scale.whole)
    spread = falling[..., None] * size[None, None]
    amplitude = jax.random.normal(key, (count, *spread.shape)) * spread[None].astype(np.float32)
    return jnp.einsum("kr,lc,nkld->nrcd", upward, across, amplitude)


def _cosines(length: int, order: int) -> np.ndarray:
    """(order, length): orthogonal cosines of mean square 1, no more than there are points."""
    order = min(order, length)
    waves = np.cos(np.pi * np.arange(order)[:, None] * (np.arange(length)[None] + 0.5) / length)
    return (waves * np.where(np.arange(order) > 0, np.sqrt(2.0), 1.0)[:, None]).astype(np.float32)


def _mirrored(key: Key[Array, ""], shape: Array, visible: Array, probability: float):
    """Left and right exchanged."""
    flip = jax.random.bernoulli(key, probability, (len(shape), 1, 1))
    other = shape[:, :, ::-1] * jnp.array([-1.0, 1.0])[None, None, None]
    return (
        jnp.where(flip[..., None], other, shape),
        jnp.where(flip, visible[:, :, ::-1], visible),
    )


def _shifted(key: Key[Array, ""], shape: Array, visible: Array, reach: float):
    """The pattern moved by up to a share of the rows and columns along the grid, borders repeated."""
    count, rows, columns = visible.shape
    most = jnp.array([round(reach * rows), round(reach * columns)]).reshape(2, 1, 1)
    offsets = jax.random.randint(key, (2, count, 1), -most, most + 1)
    row = jnp.clip(jnp.arange(rows)[None] + offsets[0], 0, rows - 1)
    column = jnp.clip(jnp.arange(columns)[None] + offsets[1], 0, columns - 1)
    frame = jnp.arange(count)[:, None, None]
    place = (frame, row[:, :, None], column[:, None, :])
    return shape[place], visible[place]


def _mixed(key: Key[Array, ""], shape: Array, visible: Array, probability: float, reach: float):
    """A share of the way to another frame's shape, and up to `reach` before or beyond it."""
    keys = jax.random.split(key, 3)
    partner = jax.random.permutation(keys[0], len(shape))
    share = jax.random.uniform(keys[1], (len(shape), 1, 1), minval=-reach, maxval=1 + reach)
    share = jnp.where(jax.random.bernoulli(keys[2], probability, share.shape), share, 0.0)
    mixed = shape + share[..., None] * (shape[partner] - shape)
    return mixed, jnp.where(share > 0.5, visible[partner], visible)
