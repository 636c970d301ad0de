"""The networks of `lvae.models.autoencoders` by config, and what a trained one makes of images."""

import functools
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from lvae.models.autoencoders import (
    CodeAutoencoder,
    ConcreteAutoencoder,
    VariationalAutoencoder,
)
from lvae.models.batching import in_batches
from lvae.tasks.images.autoencoder.settings import ConcreteModel, Settings, VariationalModel
from lvae.tasks.images.scores import HostImages, to_images
from lvae.tasks.task import Spec, Splits, Variables

Network: TypeAlias = CodeAutoencoder | ConcreteAutoencoder | VariationalAutoencoder

BATCH = 64  # images per call


def image_size(spec: Spec) -> tuple[int, int]:
    """Height and width of the training images."""
    height, width = spec.fields["image"].shape
    return height, width


def network(settings: Settings, spec: Spec) -> Network:
    """The network of a design for images of the training images' size."""
    height, width = image_size(spec)
    model, pixels = settings.model, height * width
    if isinstance(model, ConcreteModel):
        return ConcreteAutoencoder(model.code, model.hidden, pixels)
    if isinstance(model, VariationalModel):
        return VariationalAutoencoder(model.hidden, model.code, pixels)
    return CodeAutoencoder(model.hidden, model.code, pixels)


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """Parameters; where pixels are fixed, a buffer for them that `prepare` fills."""
    blank = jnp.zeros((1, *image_size(spec), 1))
    module = network(settings, spec)
    if isinstance(module, ConcreteAutoencoder):
        params = module.init(key, blank, key, 1.0)["params"]
    elif isinstance(module, VariationalAutoencoder):
        params = module.init(key, blank, key)["params"]
    else:
        params = module.init(key, blank)["params"]
    fixed = _pixels_are_fixed(settings)
    buffers = {"pixels": jnp.zeros(settings.model.code, jnp.int32)} if fixed else {}
    return {"params": params, "buffers": buffers}


def prepare(settings: Settings, variables: Variables, splits: Splits) -> Variables:
    """Finds the pixels of highest variance where the selection is not learned."""
    if not _pixels_are_fixed(settings):
        return variables
    pixels = variance_pixels(to_images(splits["train"]["image"]), settings.model.code)
    return {**variables, "buffers": {**variables["buffers"], "pixels": pixels}}


def apply(module: nn.Module, variables: Variables, *inputs: Any, method: str | None = None) -> Any:
    """`module.apply` on the parameters; flax gives what comes out no type."""
    return module.apply({"params": variables["params"]}, *inputs, method=method)


def variance_pixels(images: HostImages, count: int) -> Int[np.ndarray, " {count}"]:
    """The `count` pixels of highest variance over the images, as flat indices in order."""
    variance = images.reshape(len(images), -1).astype(np.float64).var(axis=0)
    return np.sort(np.argsort(-variance, kind="stable")[:count]).astype(np.int32)


def reconstruct(module: Network, variables: Variables, images: HostImages) -> HostImages:
    """What comes out for these inputs, without a drawn number in it."""
    return in_batches(functools.partial(_reconstruct, module, variables), images, size=BATCH)


def codes(
    module: Network, variables: Variables, images: HostImages
) -> Float[np.ndarray, "batch code"]:
    """Activations, selected pixels' values or posterior means."""
    return in_batches(functools.partial(_codes, module, variables), images, size=BATCH)


def moments(
    module: VariationalAutoencoder, variables: Variables, images: HostImages
) -> tuple[Float[np.ndarray, "batch latents"], Float[np.ndarray, "batch latents"]]:
    """Mean and log variance of the code."""
    return in_batches(functools.partial(_moments, module, variables), images, size=BATCH)


def decode(
    module: Network,
    variables: Variables,
    values: Float[np.ndarray, "batch code"],
    size: tuple[int, int],
) -> HostImages:
    """Images of that height and width from codes."""
    flat = in_batches(functools.partial(_decode, module, variables), values, size=BATCH)
    return flat.reshape(-1, *size, 1)


@functools.partial(jax.jit, static_argnums=0)
def selected(module: ConcreteAutoencoder, variables: Variables) -> Int[Array, " features"]:
    """The pixel of each feature of a concrete autoencoder: the fixed one, or the learned."""
    fixed = variables["buffers"].get("pixels")
    return apply(module, variables, method="chosen") if fixed is None else jnp.asarray(fixed)


def _pixels_are_fixed(settings: Settings) -> bool:
    model = settings.model
    return isinstance(model, ConcreteModel) and model.selection == "variance"


@functools.partial(jax.jit, static_argnums=0)
def _reconstruct(module: Network, variables: Variables, images: Array) -> Array:
    values = _codes(module, variables, images)
    return _decode(module, variables, values).reshape(images.shape)


@functools.partial(jax.jit, static_argnums=0)
def _codes(module: Network, variables: Variables, images: Array) -> Array:
    if isinstance(module, VariationalAutoencoder):
        return _moments(module, variables, images)[0]
    flat = jnp.asarray(images).reshape(len(images), -1)
    if isinstance(module, ConcreteAutoencoder):
        return flat[:, selected(module, variables)]
    return apply(module, variables, flat, method="encode")


@functools.partial(jax.jit, static_argnums=0)
def _decode(module: Network, variables: Variables, values: Array) -> Array:
    return jax.nn.sigmoid(apply(module, variables, values, method="decode"))


@functools.partial(jax.jit, static_argnums=0)
def _moments(
    module: VariationalAutoencoder, variables: Variables, images: Array
) -> tuple[Array, Array]:
    return apply(module, variables, images, method="encode")
