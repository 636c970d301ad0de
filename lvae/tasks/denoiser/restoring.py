"""A trained network on images of any size."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lvae.imaging.tiling import blend, cut
from lvae.tasks.denoiser.settings import Settings

HostImages = Float[np.ndarray, "batch height width 1"]


def restore(settings: Settings, params: Any, images: HostImages) -> HostImages:
    """Cleaned images, in [0, 1], of the same shape.

    Images of another size than the network's are cut into tiles that overlap, and blended again.
    """
    tile = settings.data.tile
    if images.shape[1:3] == (tile, tile):
        return _restore_tiles(settings, params, images)
    return np.stack([_restore_large(settings, params, image) for image in images])


def _restore_large(settings: Settings, params: Any, image: np.ndarray) -> np.ndarray:
    tiles, corners = cut(image, settings.data.tile, settings.sampling.overlap)
    return blend(_restore_tiles(settings, params, tiles), corners, *image.shape[:2])


def _restore_tiles(settings: Settings, params: Any, tiles: np.ndarray) -> np.ndarray:
    """In batches of one size, the last one filled up, so that one program serves all."""
    size = settings.sampling.batch_size
    module = settings.model.module()
    parts = []
    for start in range(0, len(tiles), size):
        batch = tiles[start : start + size].astype(np.float32)
        filled = np.zeros((size, *batch.shape[1:]), np.float32)
        filled[: len(batch)] = batch
        parts.append(np.asarray(_apply(module, params, filled))[: len(batch)])
    return np.concatenate(parts)


@functools.partial(jax.jit, static_argnums=0)
def _apply(module: Any, params: Any, images: Any) -> Any:
    return jax.nn.sigmoid(module.apply({"params": params}, jnp.asarray(images)))
