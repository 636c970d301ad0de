"""What a denoiser minimises."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from lvae.imaging.levels import Images, from_levels
from lvae.metrics.images import ssim
from lvae.tasks.images.corruption import corrupt_batch
from lvae.tasks.images.denoiser.network import apply, network_of
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.task import LossFunction, Spec

_SMALLEST_ERROR = 1e-4  # 40 dB: an image that good needs no more push


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Distance from the clean image after noise drawn afresh; large images give random tiles.

    A network that estimates the noise also pays for the estimate. That term's gradient reaches the
    estimate alone, so that it needs no weight.
    """
    module, weights = network_of(settings), settings.loss

    def value(params, buffers, batch, key, step):  # type: ignore[no-untyped-def]  # LossFunction
        tile_key, noise_key = jax.random.split(key)
        images = from_levels(batch["image"])[..., None]
        clean = random_tiles(tile_key, images, settings.data.tile)
        noisy = corrupt_batch(noise_key, clean, settings.corruption)
        found = apply(module, params, noisy)
        cleaned = jax.nn.sigmoid(found.logits)
        cross_entropy = optax.sigmoid_binary_cross_entropy(found.logits, clean)
        parts = {
            "cross_entropy": jnp.mean(cross_entropy, axis=(1, 2, 3)),
            "squared_error": jnp.mean((cleaned - clean) ** 2, axis=(1, 2, 3)),
        }
        total = weights.cross_entropy * jnp.mean(parts["cross_entropy"])
        total = total + weights.squared_error * jnp.mean(parts["squared_error"])
        if weights.log_error:
            log_error = jnp.log(parts["squared_error"] + _SMALLEST_ERROR)
            total = total + weights.log_error * jnp.mean(log_error)
        if weights.ssim:
            parts["ssim"] = ssim(cleaned, clean)
            total = total + weights.ssim * jnp.mean(1.0 - parts["ssim"])
        if found.noise is not None:
            parts["noise_nats"] = surprise(noisy - clean, found.noise)
            total = total + jnp.mean(parts["noise_nats"])
        return total, (parts, buffers)

    return value


def surprise(change: Images, noise: Images) -> Float[Array, " batch"]:
    """Of an estimate of |change|: negative log likelihood of a Laplace distribution, less log 2,
    means over the pixels, nats. It is least where `noise` is the mean of |change|."""
    return jnp.mean(jnp.log(noise) + jnp.abs(change) / noise, axis=(1, 2, 3))


def random_tiles(
    key: Key[Array, ""], images: Images, size: int
) -> Float[Array, "batch {size} {size} 1"]:
    """A random square of each image; all of it where it has that size."""
    height, width = images.shape[1:3]
    if (height, width) == (size, size):
        return images
    row_key, column_key = jax.random.split(key)
    rows = jax.random.randint(row_key, images.shape[:1], 0, height - size + 1)
    columns = jax.random.randint(column_key, images.shape[:1], 0, width - size + 1)

    def cut(image: Array, row: Array, column: Array) -> Array:
        return jax.lax.dynamic_slice(image, (row, column, 0), (size, size, 1))

    return jax.vmap(cut)(images, rows, columns)
