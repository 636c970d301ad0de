"""The networks of `lvae.models.denoisers` by config, and a trained one on images of any size."""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from lvae.imaging.tiling import blend, cut
from lvae.models import denoisers
from lvae.models.batching import in_batches
from lvae.tasks.images.denoiser.settings import (
    BlendedHourglassModel,
    HourglassModel,
    MlpModel,
    ResidualModel,
    Settings,
)
from lvae.tasks.images.scores import HostImages
from lvae.tasks.task import Spec, Variables

STEP = 32  # px; small images are mirrored up to a multiple: few shapes, few compilations


class Restored(NamedTuple):
    """Cleaned images in [0, 1], and how far each noisy one was from the clean one, mean over its
    pixels, as the network estimates; None where it does not."""

    images: HostImages
    noise: Float[np.ndarray, " batch"] | None


def network(settings: Settings, spec: Spec) -> nn.Module:
    """The module that config.model names."""
    return network_of(settings)


def network_of(settings: Settings) -> nn.Module:
    """The same: none of the networks needs to know more of the data than the config says."""
    model = settings.model
    if isinstance(model, HourglassModel):
        blend = isinstance(model, BlendedHourglassModel)
        return denoisers.HourglassDenoiser(model.channels, model.hidden, blend)
    if isinstance(model, ResidualModel):
        return denoisers.ResidualDenoiser(model.channels, model.depth)
    if isinstance(model, MlpModel):
        return denoisers.MlpDenoiser(model.hidden)
    return denoisers.PyramidDenoiser()


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """The network's parameters; there are no buffers."""
    blank = jnp.zeros((1, settings.data.tile, settings.data.tile, 1))
    return {"params": network_of(settings).init(key, blank)["params"], "buffers": {}}


def apply(module: nn.Module, params: PyTree, images: Array) -> denoisers.Cleaned:
    """What a network says of noisy images."""
    found: Any = module.apply({"params": params}, images)
    return found


def restore(settings: Settings, params: PyTree, images: HostImages) -> Restored:
    """Cleaned images of the same shape.

    Images of another size than the network's are cut into tiles that overlap, and blended again.
    """
    tile = settings.data.tile
    if images.shape[1:3] == (tile, tile):
        found = _restore_tiles(settings, params, images)
    else:
        found = np.stack([_restore_large(settings, params, image) for image in images])
    noise = found[..., 1].mean((1, 2)) if found.shape[-1] > 1 else None
    return Restored(found[..., :1], noise)


def _restore_large(settings: Settings, params: PyTree, image: np.ndarray) -> np.ndarray:
    side, overlap = settings.data.tile, settings.sampling.overlap
    if isinstance(settings.model, ResidualModel):
        largest = max(image.shape[:2])
        side = settings.model.largest
        if largest <= side:
            side, overlap = -(-largest // STEP) * STEP, 0
    tiles, corners = cut(image, side, overlap)
    return blend(_restore_tiles(settings, params, tiles), corners, *image.shape[:2])


def _restore_tiles(settings: Settings, params: PyTree, tiles: HostImages) -> np.ndarray:
    """(tile, side, side, 1 or 2): clean pixels, and the noise where it is estimated."""
    clean = functools.partial(_clean, network_of(settings), params)
    small = tiles.shape[1] == settings.data.tile
    return in_batches(clean, tiles, size=settings.sampling.batch_size if small else 1)


@functools.partial(jax.jit, static_argnums=0)
def _clean(module: nn.Module, params: PyTree, images: Array) -> Array:
    found = apply(module, params, images)
    parts = [jax.nn.sigmoid(found.logits), *([] if found.noise is None else [found.noise])]
    return jnp.concatenate(parts, axis=-1)
