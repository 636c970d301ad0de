"""What a user augments laser points with today: each step with its probability, anew every time.

Turned, stretched, sheared and moved about the frame's centre; bent by half a sine wave; jittered;
points dropped. The yardstick for generated frames. Two changes more are off there: the larynx seen in
a mirror, and its relief, what is not flat in the grid, made deeper or flatter.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from lvae.grids.rendering import LOWEST_PIXEL, frame_scale
from lvae.models.ordered_grid import fit_pose, posed_grid
from lvae.tasks.grids.registration.settings import AugmentationSettings


def augment(
    key: Key[Array, ""],
    points: Float[Array, "frames rows columns 2"],
    visible: Bool[Array, "frames rows columns"],
    size: tuple[int, int],
    settings: AugmentationSettings,
) -> tuple[Float[Array, "frames rows columns 2"], Bool[Array, "frames rows columns"]]:
    """Points, rounded to a 768th of the frame's shorter side, and which of them are left, for a
    share of the frames; others unchanged.

    A change that takes a visible point out of the frame is drawn again, `proposals` times at most;
    after that the frame stays as it is.
    """
    chosen_key, key = jax.random.split(key)
    chosen = jax.random.bernoulli(chosen_key, settings.share, (len(points),))
    moved, kept = jax.vmap(functools.partial(_one_frame, size=size, settings=settings))(
        jax.random.split(key, len(points)), points, visible
    )
    pick = chosen[:, None, None]
    return jnp.where(pick[..., None], moved, points), jnp.where(pick, kept, visible)


def _one_frame(
    key: Key[Array, ""],
    points: Float[Array, "rows columns 2"],
    visible: Bool[Array, "rows columns"],
    *,
    size: tuple[int, int],
    settings: AugmentationSettings,
) -> tuple[Float[Array, "rows columns 2"], Bool[Array, "rows columns"]]:
    """The first proposal that stays in the frame."""
    moved, kept = jax.vmap(lambda one: _proposal(one, points, visible, size, settings))(
        jax.random.split(key, settings.proposals)
    )
    limit = jnp.array(size, jnp.float32).reshape(1, 1, 1, 2)
    inside = jnp.all((moved >= LOWEST_PIXEL * frame_scale(size)) & (moved < limit), axis=-1)
    good = jnp.all(inside | ~kept, axis=(1, 2))
    first = jnp.argmax(good)
    return (
        jnp.where(good[first], moved[first], points),
        jnp.where(good[first], kept[first], visible),
    )


def _proposal(
    key: Key[Array, ""],
    points: Float[Array, "rows columns 2"],
    visible: Bool[Array, "rows columns"],
    size: tuple[int, int],
    settings: AugmentationSettings,
) -> tuple[Float[Array, "rows columns 2"], Bool[Array, "rows columns"]]:
    """One change, whether or not it stays in the frame."""
    keys = dict(zip(_DRAWS, jax.random.split(key, len(_DRAWS))))
    happens = jax.random.bernoulli(keys["happens"], settings.probability, (len(_STEPS),))
    on = dict(zip(_STEPS, happens.astype(jnp.float32)))

    def amplitude(
        name: str, largest: float | Float[Array, ""], shape: tuple[int, ...] = ()
    ) -> Float[Array, "*shape"]:
        return on[name] * jax.random.uniform(keys[name], shape, minval=-largest, maxval=largest)

    frame = jnp.array(size, jnp.float32)
    width, height = frame
    angle = jnp.deg2rad(amplitude("rotation", settings.rotation))
    shear = jnp.tan(jnp.deg2rad(amplitude("shear", settings.shear)))
    scale = jnp.exp(amplitude("scale", math.log(settings.scale), (2,)))
    turn = jnp.array([[jnp.cos(angle), jnp.sin(angle)], [-jnp.sin(angle), jnp.cos(angle)]])
    slant = jnp.array([[1.0, 0.0], [shear, 1.0]])  # x moves with y
    linear = jnp.diag(scale) @ slant @ turn

    if settings.relief > 1.0:
        depth = jnp.exp(amplitude("relief", math.log(settings.relief)))
        flat = posed_grid(fit_pose(points[None], visible[None]), *visible.shape)[0]
        points = flat + depth * (points - flat)
    if settings.mirror > 0.0:
        mirrored = jax.random.bernoulli(keys["mirror"], settings.mirror)
        # The rays are mirrored with the points, so that the leftmost stays the leftmost.
        sides = points[:, ::-1]
        other_side = jnp.stack([width - sides[..., 0], sides[..., 1]], axis=-1)
        points = jnp.where(mirrored, other_side, points)
        visible = jnp.where(mirrored, visible[:, ::-1], visible)

    x, y = points[..., 0], points[..., 1]
    bend_x = amplitude("warp", settings.warp_x * height) * jnp.sin(jnp.pi * y / height)
    bend_y = jax.random.uniform(keys["warp_y"], minval=-settings.warp_y, maxval=settings.warp_y)
    bend_y = on["warp"] * bend_y * width * jnp.sin(jnp.pi * x / width)
    bent = points + jnp.stack([bend_x, bend_y], axis=-1)

    centre = (frame / 2).reshape(1, 1, 2)
    shift = (amplitude("translation", settings.translation, (2,)) * frame).reshape(1, 1, 2)
    moved = (bent - centre) @ linear + centre + shift
    moved = moved + amplitude("jitter", settings.jitter * width, points.shape)

    share = on["dropout"] * jax.random.uniform(keys["share"], maxval=settings.dropout)
    kept = visible & (jax.random.uniform(keys["dropout"], visible.shape) >= share)
    step = frame_scale(size)  # a pixel of LASTEN's frames
    return step * jnp.floor(moved / step + 0.5), kept


_STEPS = ("rotation", "warp", "scale", "shear", "translation", "jitter", "dropout", "relief")
# A key belongs to its place: what is added goes to the end, or every other draw changes.
_DRAWS = (*_STEPS[:-1], "happens", "warp_y", "share", "relief", "mirror")
