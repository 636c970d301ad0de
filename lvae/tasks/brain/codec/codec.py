"""A trained VQ-VAE as functions on arrays: images to code maps and back."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from lvae.models import quantizer
from lvae.models.batching import in_batches
from lvae.tasks.brain.codec.network import Pixels, features_of, has_texture, network_of, noise_of
from lvae.tasks.brain.codec.quantising import code_vectors
from lvae.tasks.brain.codec.settings import ModelSettings, Settings
from lvae.tasks.brain.slices import Slices
from lvae.tasks.task import Run

Maps = Int[np.ndarray, "n rows columns"]
Decoded = Float[np.ndarray, "n height width"]  # in [0, 1]
Vectors = Float[Array, "k dimension"]


@dataclasses.dataclass(frozen=True, eq=False)
class Codec:
    """A trained VQ-VAE; any number of images or maps, in batches of one size (one compilation).

    settings: its own. params: of its network. vectors: that its codes stand for, (K, D).
    """

    settings: Settings
    params: PyTree
    vectors: Array | np.ndarray

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of a code map."""
        return self.settings.grid

    @property
    def size(self) -> int:
        """K: how many codes there are."""
        return self.settings.model.codes

    def codes_of(self, images: Pixels) -> Int[Array, "batch rows columns"]:
        """Code maps of one batch; traceable."""
        return _codes(self.settings.model, self.params, jnp.asarray(self.vectors), images)

    def encode(self, images: Slices) -> Maps:
        """Code maps."""
        encoder: Callable[..., Any] = self.codes_of
        return in_batches(encoder, images, size=self.settings.evaluation.batch_size)

    def decode(self, codes: Maps) -> Decoded:
        """Images."""
        decoder = functools.partial(
            _images, self.settings.model, self.params, jnp.asarray(self.vectors)
        )
        return in_batches(decoder, codes, size=self.settings.evaluation.batch_size)

    def shades(self, codes: Maps) -> Float[np.ndarray, "n rows columns"]:
        """Code maps as grey values in [0, 1]: like codes alike, by rank on their first principal
        axis."""
        centred = np.asarray(self.vectors) - np.asarray(self.vectors).mean(0)
        axis = np.linalg.svd(centred, full_matrices=False)[2][0]
        along = centred @ axis * np.sign(axis[np.argmax(np.abs(axis))])
        return (np.argsort(np.argsort(along)) / max(1, len(along) - 1))[codes]

    def features(self, images: Slices) -> Float[np.ndarray, "n features"]:
        """One vector per image: encoder features averaged over a 4 x 4 grid of regions."""
        pooled = functools.partial(_pooled, self.settings.model, self.params)
        return in_batches(pooled, images, size=self.settings.evaluation.batch_size)


def codec_of(run: Run[Settings]) -> Codec:
    """The codec of a trained run."""
    settings = run.settings
    return Codec(
        settings, run.variables["params"]["network"], code_vectors(settings.model, run.variables)
    )


# Compiled once per model, whichever codec asks: settings are compared by value.


@functools.partial(jax.jit, static_argnums=0)
def _codes(model: ModelSettings, params: PyTree, vectors: Vectors, images: Pixels) -> Array:
    features = features_of(model, params, images)
    codes = quantizer.nearest(features.reshape(-1, model.dimension), vectors)
    return codes.reshape(features.shape[:3])


@functools.partial(jax.jit, static_argnums=0)
def _images(model: ModelSettings, params: PyTree, vectors: Vectors, codes: Array) -> Array:
    noise = (noise_of(codes),) if has_texture(model) else ()
    network = network_of(model)
    decoded: Any = network.apply({"params": params}, vectors[codes], *noise, method="decode")
    return jnp.clip(decoded[..., 0], 0, 1)


@functools.partial(jax.jit, static_argnums=0)
def _pooled(model: ModelSettings, params: PyTree, images: Pixels) -> Array:
    features = features_of(model, params, images)
    return _regions(_regions(features, 1), 2).reshape(len(images), -1)


def _regions(features: Array, axis: int) -> Array:
    """Means of four stretches along an axis, as equal as they can be; of fewer, if it is shorter."""
    parts = jnp.array_split(features, min(4, features.shape[axis]), axis)
    return jnp.concatenate([part.mean(axis, keepdims=True) for part in parts], axis)
