"""Histograms of 256 levels, their equalisation, and an image whose histogram is worth equalising.

Images are (batch, height, width, channel), float in [0, 1]; a level is round(255 x). Everything is
per image and per channel.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from lvae.imaging.levels import Images, to_levels

LEVELS = 256


def histogram(images: Images) -> Int[Array, "batch 256 channel"]:
    """How many pixels have each of the 256 levels."""
    batch, height, width, channels = images.shape
    levels = to_levels(images).reshape(batch, height * width, channels).astype(jnp.int32)
    count = jax.vmap(jax.vmap(lambda row: jnp.bincount(row, length=LEVELS), in_axes=1, out_axes=1))
    return count(levels)


def cumulative_distribution(images: Images) -> Float[Array, "batch 256 channel"]:
    """Share of the pixels at or below each level; the last is 1."""
    counts = jnp.cumsum(histogram(images), axis=1)
    return counts / (images.shape[1] * images.shape[2])


def equalize(images: Images) -> Images:
    """Histogram equalisation, as OpenCV's equalizeHist ([bradski2000]) for every channel.

    A level becomes round(255 (cdf - cdf_min) / (1 - cdf_min)), cdf_min being that of the darkest
    level present. An image of one level stays as it is.
    """
    batch, height, width, channels = images.shape
    pixels = height * width
    counts = histogram(images)
    cumulative = jnp.cumsum(counts, axis=1)
    darkest = jnp.argmax(counts > 0, axis=1)[:, None, :]
    least = jnp.take_along_axis(counts, darkest, axis=1)
    # counts, not shares, in OpenCV's order of operations: whole numbers are exact in float32
    scale = 255.0 / jnp.maximum(pixels - least, 1).astype(images.dtype)
    table = jnp.round((cumulative - least).astype(images.dtype) * scale) / 255.0
    unchanged = jnp.arange(LEVELS, dtype=images.dtype)[None, :, None] / 255.0
    table = jnp.where(least == pixels, unchanged, jnp.maximum(table, 0.0))
    levels = to_levels(images).reshape(batch, pixels, channels).astype(jnp.int32)
    return jnp.take_along_axis(table, levels, axis=1).reshape(images.shape)


def compress_contrast(
    key: Key[Array, ""], images: Images, lowest: float = 0.875, highest: float = 0.925
) -> Images:
    """mean * rate + x * (1 - rate): a flat image with a narrow histogram, to test equalisation on.

    Args:
      key: of the rates.
      images: the images; the mean is each image's own, over all its channels.
      lowest, highest: the rate of every pixel is uniform between them.
    """
    rate = jax.random.uniform(key, images.shape, images.dtype, lowest, highest)
    return jnp.mean(images, axis=(1, 2, 3), keepdims=True) * rate + images * (1.0 - rate)
