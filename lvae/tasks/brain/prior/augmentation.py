"""Slices varied before they become codes: fresh maps every step from the same slices."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, UInt8

from lvae.imaging.levels import from_levels
from lvae.tasks.brain.prior.settings import LossSettings
from lvae.tasks.brain.slices import mirrored


def augmented(
    levels: UInt8[Array, "batch height width"], key: Key[Array, ""], weights: LossSettings
) -> Float[Array, "batch height width"]:
    """Mirrored in half of the cases, moved by whole pixels, dimmed; in [0, 1]."""
    batch, height, width = levels.shape
    images = from_levels(levels)
    if weights.mirror:
        images = mirrored(images, jax.random.fold_in(key, 0))
    if weights.shift:
        reach = weights.shift
        padded = jnp.pad(images, ((0, 0), (reach, reach), (reach, reach)))
        offsets = jax.random.randint(jax.random.fold_in(key, 1), (batch, 2), 0, 2 * reach + 1)
        images = jax.vmap(
            lambda image, offset: jax.lax.dynamic_slice(image, offset, (height, width))
        )(padded, offsets)
    if weights.gain:
        draw = jax.random.normal(jax.random.fold_in(key, 2), (batch, 1, 1))
        images = jnp.clip(images * jnp.exp(weights.gain * draw), 0, 1)
    return images
