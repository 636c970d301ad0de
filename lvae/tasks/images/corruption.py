"""Noise as the config asks for it: drawn afresh every step, by a sample's own number, or at one
level."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8

from lvae.imaging.levels import Images, from_levels
from lvae.imaging.noise import Corruption, corrupt
from lvae.keys import stream
from lvae.tasks.images.scores import HostImages
from lvae.tasks.images.settings import CorruptionSettings, Noise
from lvae.tasks.task import Json


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
    kind: Noise,
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


def corrupt_one(
    settings: CorruptionSettings,
    seed: int,
    number: int,
    levels: UInt8[np.ndarray, "height width"],
) -> tuple[Float[np.ndarray, "height width 1"], dict[str, Json]]:
    """Noisy image `number` of a set, and what was done to it; kinds take turns."""
    kind = settings.noises[number % len(settings.noises)]
    noisy, strength, blur = _numbered(
        stream(seed, "corrupt"),
        from_levels(levels[None, ..., None]),
        np.array([number]),
        kind,
        settings,
    )
    level: dict[str, Json] = {"noise": kind, "strength": float(strength[0]), "blur": float(blur[0])}
    return np.asarray(noisy)[0], level


def corrupted(seed: int, stream_name: str, images: HostImages, level: Corruption) -> HostImages:
    """The images with noise of one level; the same for the same seed, stream and level."""
    key = stream(seed, f"{stream_name} {level.kind} {level.strength} {level.blur}")
    return np.asarray(_corrupted(key, images, level.kind, level.strength, level.blur))


@functools.partial(jax.jit, static_argnums=(3, 4))
def _numbered(
    key: Array, images: Array, numbers: Array, kind: Noise, settings: CorruptionSettings
) -> tuple[Array, Array, Array]:
    return corrupt_numbered(key, images, numbers, kind, settings)


@functools.partial(jax.jit, static_argnums=2)
def _corrupted(key: Array, images: Array, kind: str, strength: Array, blur: Array) -> Array:
    return corrupt(key, images, Corruption(kind, strength, blur))


def _corrupt_kind(
    key: Key[Array, ""], images: Images, kind: Noise, settings: CorruptionSettings
) -> tuple[Images, Corruption]:
    strength_key, blur_key, noise_key, clip_key = jax.random.split(key, 4)
    count = images.shape[:1]
    ranges = (settings.strength(kind), settings.blur if kind == "blur_uniform" else (0.0, 0.0))
    strength, blur = (
        jax.random.uniform(level_key, count, minval=low, maxval=high)
        for level_key, (low, high) in zip((strength_key, blur_key), ranges)
    )
    if settings.low_share:
        low = jax.random.uniform(jax.random.fold_in(key, 4), count) < settings.low_share
        strength, blur = (
            jnp.where(low, _lowered(drawn, *ends), drawn)
            for drawn, ends in zip((strength, blur), ranges)
        )
    level = Corruption(kind, strength, blur)
    noisy = corrupt(noise_key, images, level)
    if settings.clip_share:
        clipped = jax.random.uniform(clip_key, (*count, 1, 1, 1)) < settings.clip_share
        noisy = jnp.where(clipped, jnp.clip(noisy, 0.0, 1.0), noisy)
    return noisy, level


def _lowered(drawn: Array, low: float, high: float) -> Array:
    """Uniform in a range -> most of it near `low`: the cube of its place in the range."""
    width = high - low
    return low + width * ((drawn - low) / width) ** 3 if width else drawn
