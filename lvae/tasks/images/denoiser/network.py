"""The networks of `lvae.models.denoisers` by config, and a trained one on images of any size."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from lvae.imaging.tiling import blend, cut
from lvae.models import denoisers
from lvae.models.batching import in_batches
from lvae.tasks.images.denoiser.settings import HourglassModel, MlpModel, Settings
from lvae.tasks.images.scores import HostImages
from lvae.tasks.task import Spec, Variables


def network(settings: Settings, spec: Spec) -> nn.Module:
    """The module that config.model names."""
    return network_of(settings)


def network_of(settings: Settings) -> nn.Module:
    """The same: none of the networks needs to know more of the data than the config says."""
    model = settings.model
    if isinstance(model, HourglassModel):
        return denoisers.HourglassDenoiser(model.channels, model.hidden)
    if isinstance(model, MlpModel):
        return denoisers.MlpDenoiser(model.hidden)
    return denoisers.PyramidDenoiser()


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """The network's parameters; there are no buffers."""
    blank = jnp.zeros((1, settings.data.tile, settings.data.tile, 1))
    return {"params": network_of(settings).init(key, blank)["params"], "buffers": {}}


def restore(settings: Settings, params: PyTree, images: HostImages) -> HostImages:
    """Cleaned images, in [0, 1], of the same shape.

    Images of another size than the network's are cut into tiles that overlap, and blended again.
    """
    tile = settings.data.tile
    if images.shape[1:3] == (tile, tile):
        return _restore_tiles(settings, params, images)
    return np.stack([_restore_large(settings, params, image) for image in images])


def _restore_large(settings: Settings, params: PyTree, image: np.ndarray) -> np.ndarray:
    tiles, corners = cut(image, settings.data.tile, settings.sampling.overlap)
    return blend(_restore_tiles(settings, params, tiles), corners, *image.shape[:2])


def _restore_tiles(settings: Settings, params: PyTree, tiles: HostImages) -> HostImages:
    clean = functools.partial(_clean, network_of(settings), params)
    return in_batches(clean, tiles, size=settings.sampling.batch_size)


@functools.partial(jax.jit, static_argnums=0)
def _clean(module: nn.Module, params: PyTree, images: Array) -> Array:
    return jax.nn.sigmoid(jnp.asarray(module.apply({"params": params}, images)))
