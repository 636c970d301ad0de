"""A trained VQ-VAE for others to use: images to code maps and back, in batches of one size."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lvae.configuration import section
from lvae.models import quantizer, vqvae
from lvae.tasks.interface import Variables
from lvae.tasks.vqvae.network import build, features_of, grid
from lvae.tasks.vqvae.quantising import codes_of
from lvae.tasks.vqvae.settings import EvaluationConfig, ModelConfig, settings_of


class Codec:
    """A trained VQ-VAE as functions on arrays, in batches of one size (one compilation)."""

    def __init__(self, config: Any, variables: Variables):
        self.config = config
        self.model, _ = settings_of(config)
        self.batch_size = section(EvaluationConfig, config.evaluation, "evaluation").batch_size
        self.grid = grid(config)
        self._network = build(config)
        self._params = {"params": variables["params"]["network"]}
        self.vectors = jnp.asarray(codes_of(self.model, variables))

    def codes_of(self, images: Array) -> Array:
        """(B, H, W), uint8 or in [0, 1] -> code maps, int32 (B, rows, columns); traceable."""
        return _codes(self._network, self.model, self._params, self.vectors, images)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Code maps of any number of images."""
        return in_batches(self.codes_of, images, self.batch_size)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Images, float32 (N, H, W) in [0, 1], of any number of code maps."""
        decoder = functools.partial(_images, self._network, self._params, self.vectors)
        return in_batches(decoder, codes, self.batch_size)

    def shades(self, codes: np.ndarray) -> np.ndarray:
        """Code maps as grey values in [0, 1]: like codes alike, by rank on their first principal
        axis."""
        centred = np.asarray(self.vectors) - np.asarray(self.vectors).mean(0)
        axis = np.linalg.svd(centred, full_matrices=False)[2][0]
        along = centred @ axis * np.sign(axis[np.argmax(np.abs(axis))])
        return (np.argsort(np.argsort(along)) / (len(along) - 1))[codes]

    def features(self, images: np.ndarray) -> np.ndarray:
        """One vector an image: encoder features averaged over a 4 x 4 grid of regions."""
        pooled = functools.partial(_pooled, self._network, self.model, self._params)
        return in_batches(pooled, images, self.batch_size)


# Compiled once for a network, whichever codec asks: networks and settings are compared by value.


@functools.partial(jax.jit, static_argnums=(0, 1))
def _codes(
    network: vqvae.VQVAE, model: ModelConfig, params: Any, vectors: Array, images: Array
) -> Array:
    features = features_of(network, model, params, images)
    codes = quantizer.nearest(features.reshape(-1, model.dimension), vectors)
    return codes.reshape(features.shape[:3])


@functools.partial(jax.jit, static_argnums=0)
def _images(network: vqvae.VQVAE, params: Any, vectors: Array, codes: Array) -> Array:
    decoded: Any = network.apply(params, vectors[codes], method="decode")
    return jnp.clip(decoded[..., 0], 0, 1)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _pooled(network: vqvae.VQVAE, model: ModelConfig, params: Any, images: Array) -> Array:
    features = features_of(network, model, params, images)
    return _regions(_regions(features, 1), 2).reshape(len(images), -1)


def _regions(features: Array, axis: int) -> Array:
    """Means of four stretches along an axis, as equal as they can be; of fewer, if it is shorter."""
    parts = jnp.array_split(features, min(4, features.shape[axis]), axis)
    return jnp.concatenate([part.mean(axis, keepdims=True) for part in parts], axis)


def in_batches(function: Any, array: np.ndarray, size: int) -> np.ndarray:
    """`function` over the leading axis, `size` at a time; the last batch is filled up with its
    first."""
    results = []
    for first in range(0, len(array), size):
        batch = array[first : first + size]
        count = len(batch)
        filled = np.concatenate([batch, np.repeat(batch[:1], size - count, 0)])
        results.append(np.asarray(function(filled))[:count])
    return np.concatenate(results)
