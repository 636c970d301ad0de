"""The prior as a network, and how surprised it is by the codes of a map."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from lvae.configuration import section
from lvae.models import pixelcnn
from lvae.tasks.interface import Variables
from lvae.tasks.pixelcnn.below import vqvae_run
from lvae.tasks.pixelcnn.settings import ModelConfig
from lvae.tasks.vqvae.codec import in_batches
from lvae.tasks.vqvae.network import grid as grid_of


def build(config: Any, codes: int, grid: tuple[int, int]) -> pixelcnn.PixelCNN:
    """The network of a config for a codebook and a grid."""
    model = section(ModelConfig, config.model, "model")
    return pixelcnn.PixelCNN(size=codes, grid=grid, **dataclasses.asdict(model))


def network_of(config: Any) -> pixelcnn.PixelCNN:
    """The network for the codes of `config.vqvae`."""
    vqvae_config, _ = vqvae_run(config)
    return build(config, int(vqvae_config.model.codes), grid_of(vqvae_config))


def surprises(
    network: pixelcnn.PixelCNN, variables: Variables, codes: np.ndarray, batch_size: int
) -> np.ndarray:
    """-ln p of every code of every map given those before it."""
    return in_batches(
        functools.partial(_surprises, network, variables["params"]), codes, batch_size
    )


@functools.partial(jax.jit, static_argnums=0)
def _surprises(network: pixelcnn.PixelCNN, params: Any, codes: Array) -> Array:
    logits: Any = network.apply({"params": params}, codes)
    return -pixelcnn.log_likelihood(logits, codes)
