"""Noise as the config asks for it: drawn afresh every step, or by a sample's own number."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from lvae.imaging.noise import Corruption, Images, corrupt
from lvae.tasks.denoiser.settings import CorruptionSettings


def corrupt_batch(key: Key[Array, ""], images: Images, settings: CorruptionSettings) -> Images:
    """A batch with the kinds of the mixture in equal shares, and its own levels for each image.

    The first images of the batch take the first kind, and so on: batches are shuffled anyway, and
    each kind is computed for its own images only.
    """
    kinds = settings.noises
    if not kinds:
        return images
    bounds = [len(images) * index // len(kinds) for index in range(len(kinds) + 1)]
    parts = []
    for index, (kind, start, stop) in enumerate(zip(kinds, bounds, bounds[1:])):
        if start < stop:
            part_key = jax.random.fold_in(key, index)
            parts.append(_corrupt_kind(part_key, images[start:stop], kind, settings)[0])
    return jnp.concatenate(parts)


def corrupt_numbered(
    key: Key[Array, ""],
    images: Images,
    numbers: Int[Array, " batch"],
    kind: str,
    settings: CorruptionSettings,
) -> tuple[Images, Float[Array, " batch"], Float[Array, " batch"]]:
    """Images with noise that depends on `key` and on each sample's number alone.

    Returns:
      the noisy images, and the strength and blur of each.
    """

    def one(image: Array, number: Array) -> tuple[Array, Array, Array]:
        noisy, level = _corrupt_kind(jax.random.fold_in(key, number), image[None], kind, settings)
        return noisy[0], jnp.asarray(level.strength)[0], jnp.asarray(level.blur)[0]

    return jax.vmap(one)(images, numbers)


def _corrupt_kind(
    key: Key[Array, ""], images: Images, kind: str, settings: CorruptionSettings
) -> tuple[Images, Corruption]:
    strength_key, blur_key, noise_key, clip_key = jax.random.split(key, 4)
    count = images.shape[:1]
    low, high = settings.strength(kind)
    strength = jax.random.uniform(strength_key, count, minval=low, maxval=high)
    low, high = settings.blur if kind == "blur_uniform" else (0.0, 0.0)
    blur = jax.random.uniform(blur_key, count, minval=low, maxval=high)
    level = Corruption(kind, strength, blur)
    noisy = corrupt(noise_key, images, level)
    if settings.clip_share:
        clipped = jax.random.uniform(clip_key, (*count, 1, 1, 1)) < settings.clip_share
        noisy = jnp.where(clipped, jnp.clip(noisy, 0.0, 1.0), noisy)
    return noisy, level
