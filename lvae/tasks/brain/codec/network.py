"""The network of the settings, and the features that are quantised."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Num, PyTree

from lvae.imaging.levels import from_levels
from lvae.models import quantizer, vqvae
from lvae.tasks.brain.codec.settings import (
    EmaModel,
    FsqModel,
    GradientModel,
    ModelSettings,
    ResidualModel,
    Settings,
)
from lvae.tasks.task import Spec, Variables

# uint8, or in [0, 1]
Pixels = Num[Array, "batch height width"] | Num[np.ndarray, "batch height width"]


def network(settings: Settings, spec: Spec) -> vqvae.VQVAE:
    """The network of the settings."""
    del spec  # the size is a setting
    return network_of(settings.model)


def network_of(model: ModelSettings) -> vqvae.VQVAE:
    """The same, of its own group alone."""
    if not isinstance(model, ResidualModel):
        return vqvae.VQVAE(vqvae.ReferenceEncoder(model.dimension), vqvae.ReferenceDecoder())
    places, width = model.places, model.width
    return vqvae.VQVAE(
        vqvae.ResidualEncoder(model.dimension, places, width, model.encoder_blocks),
        vqvae.ResidualDecoder(places, width, model.decoder_blocks, model.texture),
    )


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """{"params": network and, learned by gradients, codes; "buffers": EMA codebook, counts of
    uses}. The EMA codebook is blank: `prepare` fills it."""
    del spec
    model, size = settings.model, settings.data.size
    blank = jnp.zeros((1, size, size, 1))
    params: dict[str, PyTree] = {"network": network_of(model).init(key, blank)["params"]}
    buffers: dict[str, PyTree] = {
        "uses": jnp.zeros(model.codes),
        "epoch_uses": jnp.zeros(model.codes),
    }
    shape = (model.codes, model.dimension)
    if isinstance(model, GradientModel):
        reach = 1 / model.codes
        draw_key = jax.random.fold_in(key, 1)
        params["codes"] = jax.random.uniform(draw_key, shape, minval=-reach, maxval=reach)
    elif isinstance(model, EmaModel):
        buffers["codebook"] = dict(quantizer.codebook_from(jnp.zeros(shape), 0.0))
    return {"params": params, "buffers": buffers}


def has_texture(model: ModelSettings) -> bool:
    """Whether the decoder takes noise."""
    return isinstance(model, ResidualModel) and model.texture


def noise_of(codes: Int[Array, "batch rows columns"]) -> Float[Array, "batch rows columns 16"]:
    """The noise of a decoder with texture: drawn from a key that a map's own codes give, so that the
    same codes are the same slice, alone or among others."""
    place = jnp.arange(codes[0].size, dtype=jnp.uint32).reshape(1, *codes.shape[1:])
    mixed = (codes.astype(jnp.uint32) + 1) * (
        jnp.uint32(2654435761) * place + jnp.uint32(40503)
    )  # wraps around
    sums = jnp.sum(mixed ^ (mixed >> 15), (1, 2), dtype=jnp.uint32)
    keys = jax.vmap(lambda number: jax.random.fold_in(jax.random.key(0), number))(sums)
    return jax.vmap(lambda key: jax.random.normal(key, (*codes.shape[1:], 16)))(keys)


@functools.partial(jax.jit, static_argnums=0)
def features_of(
    model: ModelSettings, params: PyTree, images: Pixels
) -> Float[Array, "batch rows columns dimension"]:
    """Encoder features before quantisation, on the scale of the codes.

    Args:
      model: static.
      params: of the network.
      images: slices.
    """
    images = jnp.asarray(images)
    if images.dtype == jnp.uint8:
        images = from_levels(images)
    found: Any = network_of(model).apply({"params": params}, images[..., None], method="encode")
    features: Array = found
    if isinstance(model, FsqModel):
        flat = quantizer.fsq_quantise(features.reshape(-1, model.dimension), model.levels)
        return flat.reshape(features.shape)
    return features
