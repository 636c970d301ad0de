"""Slices varied before they become codes: fresh maps every step from the same slices."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from lvae.tasks.pixelcnn.settings import LossConfig
from lvae.tasks.vqvae.slices import mirrored


def augmented(images: Array, key: Array, weights: LossConfig) -> Array:
    """uint8 (B, H, W) -> [0, 1]: mirrored in half of the cases, moved by whole pixels, dimmed."""
    batch, height, width = images.shape
    images = images.astype(jnp.float32) / 255.0
    if weights.mirror:
        images = mirrored(images[..., None], jax.random.fold_in(key, 0))[..., 0]
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
