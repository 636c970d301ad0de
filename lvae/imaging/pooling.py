"""Pooling in blocks that do not overlap.

Images are (batch, height, width, channel). The stride is the size; lines left over at the right and
at the bottom are dropped.
"""

import jax.numpy as jnp
from jaxtyping import Array

from lvae.imaging.conversion import Images


def min_pool(images: Images, size: int) -> Images:
    """Least value of every size x size block."""
    return jnp.min(_blocks(images, size), axis=(2, 4))


def max_pool(images: Images, size: int) -> Images:
    """Largest value of every size x size block."""
    return jnp.max(_blocks(images, size), axis=(2, 4))


def mean_pool(images: Images, size: int) -> Images:
    """Mean of every size x size block."""
    return jnp.mean(_blocks(images, size), axis=(2, 4))


def _blocks(images: Array, size: int) -> Array:
    batch, height, width, channels = images.shape
    if not 1 <= size <= min(height, width):
        raise ValueError(f"size {size}: expected 1 to {min(height, width)}, the images' side")
    rows, columns = height // size, width // size
    images = images[:, : rows * size, : columns * size]
    return images.reshape(batch, rows, size, columns, size, channels)
