"""The edge of the room: 8-bit images outside, floats in [0, 1] inside."""

import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

Images = Float[Array, "batch height width channel"]


def to_float(images: UInt8[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Levels 0 to 255 as 0.0 to 1.0."""
    return images.astype(jnp.float32) / 255.0


def to_levels(images: Float[Array, "*shape"]) -> UInt8[Array, "*shape"]:
    """Floats as the nearest of 256 levels; what lies outside [0, 1] is clipped."""
    return jnp.round(jnp.clip(images, 0.0, 1.0) * 255.0).astype(jnp.uint8)
