"""Denoising: images in, the same images clean; a network that never sees one noise twice.

config.model.design names the network: `hourglass` (configs/denoise_conv.py), `pyramid` (its
reference) or `mlp` (configs/denoise_mlp.py).
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from lvae.data.image_folder import read_splits
from lvae.errors import UserError
from lvae.imaging.conversion import to_float
from lvae.imaging.noise import KINDS
from lvae.metrics.images import ssim
from lvae.tasks.denoiser import measures
from lvae.tasks.denoiser.corruption import corrupt_batch
from lvae.tasks.denoiser.modes import MODES
from lvae.tasks.denoiser.settings import read
from lvae.tasks.interface import Splits, Variables

_SMALLEST_ERROR = 1e-4  # 40 dB: an image that good needs no more push

__all__ = ["MODES", "evaluate", "figures", "init", "load_data", "make_loss"]


def load_data(config: Any) -> Splits:
    """Images by split: image, uint8 (N, height, width); for digits label, int32 (N,).

    Raises:
      UserError: see `lvae.data.image_folder`; images smaller than the network's tile.
    """
    settings = read(config).data
    if not config.corruption.noises:
        raise UserError(
            f"config.corruption.noises: is empty; name one or more of {', '.join(KINDS)}"
        )
    splits = read_splits(settings.path, settings.validation_share)
    height, width = splits["train"]["image"].shape[1:]
    if min(height, width) < settings.tile:
        raise UserError(
            f"config.data.tile={settings.tile}: the images of "
            f"{settings.path or 'the built-in set'} have {width} x {height} pixels; "
            f"set it to {min(height, width)} or less"
        )
    return splits


def init(config: Any, splits: Splits, key: Any) -> Variables:
    """The network's parameters; there are no buffers."""
    settings = read(config)
    blank = jnp.zeros((1, settings.data.tile, settings.data.tile, 1))
    return {"params": settings.model.module().init(key, blank)["params"], "buffers": {}}


def make_loss(config: Any, splits: Splits):
    """Distance from the clean image after noise drawn afresh; large images give random tiles."""
    settings = read(config)
    module, weights = settings.model.module(), settings.loss

    def loss(params, buffers, batch, key, step):
        tile_key, noise_key = jax.random.split(key)
        clean = _random_tiles(tile_key, to_float(batch["image"])[..., None], settings.data.tile)
        noisy = corrupt_batch(noise_key, clean, settings.corruption)
        logits = module.apply({"params": params}, noisy)
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

    return loss


def evaluate(
    config: Any, variables: Variables, splits: Splits, *, thorough: bool = False
) -> dict[str, Any]:
    """PSNR, SSIM and MSE, means over the levels of config.evaluation, of cleaned and noisy images.

    On some validation images; with `thorough` on the test split and the training split, level by
    level beside the tuned classical methods, and how many digits a linear classifier reads.
    """
    settings = read(config)
    if thorough:
        return measures.thorough_measures(settings, variables["params"], config.seed, splits)
    images = measures.to_images(splits["validation"]["image"][: settings.evaluation.quick_images])
    return measures.means(measures.level_rows(settings, variables["params"], config.seed, images))


def figures(config: Any, variables: Variables, splits: Splits, directory: Path) -> None:
    """The noises, the classical filters, and what the network makes of growing noise."""
    from lvae.tasks.denoiser.pictures import write_all

    write_all(read(config), variables["params"], config.seed, splits, directory)


def _random_tiles(key: Any, images: Any, size: int) -> Any:
    """A random square of each image; all of it where it has that size."""
    height, width = images.shape[1:3]
    if (height, width) == (size, size):
        return images
    row_key, column_key = jax.random.split(key)
    rows = jax.random.randint(row_key, images.shape[:1], 0, height - size + 1)
    columns = jax.random.randint(column_key, images.shape[:1], 0, width - size + 1)

    def cut(image, row, column):
        return jax.lax.dynamic_slice(image, (row, column, 0), (size, size, 1))

    return jax.vmap(cut)(images, rows, columns)
