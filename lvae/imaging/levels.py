"""8-bit levels in files and data sets, floats in [0, 1] in computations: from one to the other.

Both functions take NumPy arrays and JAX arrays (traced ones too) and return the same kind.
"""

from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

Images = Float[Array, "batch height width channel"]  # in [0, 1] unless said otherwise
AnyArray = TypeVar("AnyArray", Array, np.ndarray)


def from_levels(levels: UInt8[AnyArray, "*shape"]) -> Float[AnyArray, "*shape"]:
    """Levels 0 to 255 as float32, 0.0 to 1.0."""
    return levels.astype(np.float32) / 255.0


def to_levels(images: Float[AnyArray, "*shape"]) -> UInt8[AnyArray, "*shape"]:
    """Floats as the nearest of 256 levels (halves to the even one); outside [0, 1] is clipped."""
    if isinstance(images, np.ndarray):
        return np.round(np.clip(images, 0.0, 1.0) * 255.0).astype(np.uint8)
    return jnp.round(jnp.clip(images, 0.0, 1.0) * 255.0).astype(jnp.uint8)
