"""What a denoiser minimises."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from lvae.imaging.levels import Images, from_levels
from lvae.metrics.images import ssim
from lvae.tasks.images.corruption import corrupt_batch
from lvae.tasks.images.denoiser.network import network_of
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.task import LossFunction, Spec

_SMALLEST_ERROR = 1e-4  # 40 dB: an image that good needs no more push


def loss(settings: Settings, spec: Spec) -> LossFunction:
    """Distance from the clean image after noise drawn afresh; large images give random tiles."""
    module, weights = network_of(settings), settings.loss

    def value(params, buffers, batch, key, step):  # type: ignore[no-untyped-def]  # LossFunction
        tile_key, noise_key = jax.random.split(key)
        images = from_levels(batch["image"])[..., None]
        clean = random_tiles(tile_key, images, settings.data.tile)
        noisy = corrupt_batch(noise_key, clean, settings.corruption)
        logits = jnp.asarray(module.apply({"params": params}, noisy))
        cleaned = jax.nn.sigmoid(logits)
        cross_entropy = optax.sigmoid_binary_cross_entropy(logits, clean)
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
        return total, (parts, buffers)

    return value


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
