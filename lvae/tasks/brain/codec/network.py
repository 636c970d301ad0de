"""The network of a config, and the features that it quantises."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from lvae.models import quantizer, vqvae
from lvae.tasks.vqvae.settings import ModelConfig, settings_of


def build(config: Any) -> vqvae.VQVAE:
    """The network of a config."""
    model, _ = settings_of(config)
    if model.architecture == "reference":
        return vqvae.VQVAE(vqvae.ReferenceEncoder(model.dimension), vqvae.ReferenceDecoder())
    places, width = model.places, model.width
    return vqvae.VQVAE(
        vqvae.ResidualEncoder(model.dimension, places, width, model.encoder_blocks),
        vqvae.ResidualDecoder(places, width, model.decoder_blocks),
    )


def grid(config: Any) -> tuple[int, int]:
    """Rows and columns of a code map."""
    size = int(config.data.size)
    edge = size // (16 if config.model.architecture == "reference" else 4)
    return edge, edge


@functools.partial(jax.jit, static_argnums=(0, 1))
def features_of(network: vqvae.VQVAE, model: ModelConfig, params: Any, images: Array) -> Array:
    """Encoder features before quantisation, on the scale of the codes."""
    if images.dtype == jnp.uint8:
        images = images.astype(jnp.float32) / 255.0
    features: Any = network.apply(params, images[..., None], method="encode")
    if model.quantizer == "fsq":
        flat = quantizer.fsq_quantise(features.reshape(-1, model.dimension), model.levels)
        return flat.reshape(features.shape)
    return features
