"""Noise of five kinds.

Images are (batch, height, width, channel), float in [0, 1]. A level is one number for all images or
one for each, (batch,), and may be traced. Levels are on the scale of the images: a sigma of 42 grey
levels is 42 / 255.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from lvae.imaging.filters import gaussian_blur
from lvae.imaging.levels import Images

Level = Float[Array, " batch"] | Float[Array, ""] | float

KINDS = ("gaussian", "salt_and_pepper", "speckle", "poisson", "blur_uniform")
BLUR_RADIUS = 10  # pixels: 4 sigma at the strongest blur of denoise_conv:reference's figures, 2.5


class Corruption(NamedTuple):
    """A kind of noise at one level.

    kind: one of KINDS. strength: sigma (gaussian, speckle), share of the pixels (salt_and_pepper),
    grey value of one count (poisson), or half-range (blur_uniform). blur: sigma of the blur before
    it in pixels, blur_uniform only.
    """

    kind: str
    strength: Level
    blur: Level = 0.0


def corrupt(key: Key[Array, ""], images: Images, corruption: Corruption) -> Images:
    """The images with one kind of noise.

    Raises:
      ValueError: the kind is unknown.
    """
    kind, strength, blur = corruption
    if kind == "blur_uniform":
        return blur_uniform(key, images, blur, strength)
    functions: dict[str, Callable[[Key[Array, ""], Images, Level], Images]] = {
        "gaussian": gaussian_noise,
        "salt_and_pepper": salt_and_pepper,
        "speckle": speckle,
        "poisson": poisson_noise,
    }
    if kind not in functions:
        raise ValueError(f"noise {kind!r}: expected one of {', '.join(KINDS)}")
    return functions[kind](key, images, strength)


def gaussian_noise(key: Key[Array, ""], images: Images, sigma: Level) -> Images:
    """x + N(0, sigma), clipped to [0, 1]."""
    noise = jax.random.normal(key, images.shape, images.dtype)
    return jnp.clip(images + _per_image(sigma, images) * noise, 0.0, 1.0)


def speckle(key: Key[Array, ""], images: Images, sigma: Level) -> Images:
    """x + x N(0, sigma), clipped to [0, 1]: black stays black."""
    noise = jax.random.normal(key, images.shape, images.dtype)
    return jnp.clip(images * (1.0 + _per_image(sigma, images) * noise), 0.0, 1.0)


def salt_and_pepper(
    key: Key[Array, ""], images: Images, amount: Level, salt_share: Level = 0.5
) -> Images:
    """A share `amount` of the pixels replaced: `salt_share` of them white, the others black.

    A pixel is hit in all its channels together.
    """
    draw = jax.random.uniform(key, (*images.shape[:3], 1), images.dtype)
    amount = _per_image(amount, images)
    images = jnp.where(draw < amount, 0.0, images)
    return jnp.where(draw < amount * _per_image(salt_share, images), 1.0, images)


def poisson_noise(key: Key[Array, ""], images: Images, factor: Level) -> Images:
    """Poisson(x / factor) * factor, clipped to [0, 1]: counts, one of which is worth `factor`.

    Mean x and variance factor * x (before clipping). `factor` must be above 0.
    """
    factor = _per_image(factor, images)
    counts = jax.random.poisson(key, images / factor)
    return jnp.clip(counts.astype(images.dtype) * factor, 0.0, 1.0)


def blur_uniform(
    key: Key[Array, ""], images: Images, sigma: Level, half_range: Level, radius: int = BLUR_RADIUS
) -> Images:
    """Gaussian blur of `sigma` pixels, then + U(-half_range, half_range). NOT clipped.

    Args:
      key: of the noise.
      images: the images; sides longer than `radius`.
      sigma: of the blur, in pixels, 0 for none; at most radius / 4 without cutting its tails.
      half_range: of the noise.
      radius: of the blur's window, in pixels.
    """
    blurred = gaussian_blur(images, _per_image(sigma, images).reshape(-1), radius)
    noise = jax.random.uniform(key, images.shape, images.dtype, -1.0, 1.0)
    return blurred + _per_image(half_range, images) * noise


def _per_image(level: Level, images: Array) -> Array:
    """A level as (batch, 1, 1, 1)."""
    level = jnp.asarray(level, images.dtype)
    return jnp.broadcast_to(level, images.shape[:1]).reshape(-1, 1, 1, 1)
