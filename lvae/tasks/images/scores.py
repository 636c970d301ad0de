"""How near cleaned or rebuilt images are to the clean ones."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from lvae.imaging.levels import from_levels
from lvae.metrics.images import psnr, ssim

HostImages = Float[np.ndarray, "batch height width 1"]  # in [0, 1] unless said otherwise

MOST_DECIBELS = 100.0  # infinity has no mean


def to_images(levels: UInt8[np.ndarray, "batch height width"]) -> HostImages:
    """Levels of a split as the networks and scores take them."""
    return from_levels(levels)[..., None]


def scores(cleaned: HostImages, clean: HostImages) -> dict[str, float]:
    """Means over the images: psnr (dB; at most 100, which equal images count), ssim, mse."""
    return {name: float(np.mean(values)) for name, values in _scores(cleaned, clean).items()}


@jax.jit
def _scores(cleaned: Array, clean: Array) -> dict[str, Array]:
    return {
        "psnr": jnp.minimum(psnr(cleaned, clean), MOST_DECIBELS),
        "ssim": ssim(cleaned, clean),
        "mse": jnp.mean((cleaned - clean) ** 2, axis=(1, 2, 3)),
    }
