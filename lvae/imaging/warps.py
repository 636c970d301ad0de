"""Random changes of shape that leave what an image shows: turned, sheared, scaled, moved, bent."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

KNOTS = 5  # of the bending field along each side


class Warp(NamedTuple):
    """Standard deviations of what is drawn for each image. turn: degrees. shear, scale: shares.
    shift, bend: px; the bend is a smooth field. power: of the log of the exponent of brightness."""

    turn: float = 15.0
    shear: float = 0.25
    scale: float = 0.1
    shift: float = 1.5
    bend: float = 1.2
    power: float = 0.3


def random_warp(
    key: Key[Array, ""], images: Float[Array, "batch height width"], warp: Warp
) -> Float[Array, "batch height width"]:
    """Each image changed in its own way; beyond its edge lies black."""
    count, height, width = images.shape
    turn_key, scale_key, shear_key, shift_key, power_key, bend_key = jax.random.split(key, 6)
    turn = jnp.deg2rad(warp.turn) * jax.random.normal(turn_key, (count,))
    scale = jnp.exp(warp.scale * jax.random.normal(scale_key, (count, 2)))
    shear = warp.shear * jax.random.normal(shear_key, (count,))
    cos, sin = jnp.cos(turn), jnp.sin(turn)
    # (count, 2, 2): columns along x and y, a pixel's place -> the place that it shows
    first = jnp.stack([cos * scale[:, 0], shear - sin * scale[:, 1]], -1)
    second = jnp.stack([sin * scale[:, 0], cos * scale[:, 1]], -1)
    matrix = jnp.stack([first, second], 1)
    x, y = jnp.meshgrid(jnp.arange(width) - (width - 1) / 2, jnp.arange(height) - (height - 1) / 2)
    grid = jnp.stack([x.ravel(), y.ravel()])
    moved = warp.shift * jax.random.normal(shift_key, (count, 2, 1))
    knots = warp.bend * jax.random.normal(bend_key, (count, 2, KNOTS, KNOTS))
    bend = jax.image.resize(knots, (count, 2, height, width), "cubic").reshape(count, 2, -1)
    middle = jnp.asarray([(width - 1) / 2, (height - 1) / 2])
    places = jnp.einsum("nij,jp->nip", matrix, grid) + moved + bend + middle[None, :, None]
    shown = jax.vmap(_at)(images, places[:, 1], places[:, 0]).reshape(images.shape)
    power = jnp.exp(warp.power * jax.random.normal(power_key, (count, 1, 1)))
    return jnp.maximum(shown, 1e-6) ** power


def _at(image: Array, rows: Array, columns: Array) -> Array:
    """Bilinear values of one image, (height, width), at real places; 0 outside."""
    return jax.scipy.ndimage.map_coordinates(image, [rows, columns], order=1, mode="constant")
