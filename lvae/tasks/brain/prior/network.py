"""The prior as a network, where it starts, and how surprised it is by the codes of a map."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from lvae.models import pixelcnn
from lvae.models.batching import in_batches
from lvae.tasks.brain.codec.codec import Maps
from lvae.tasks.brain.prior import below
from lvae.tasks.brain.prior.settings import ModelSettings, Settings
from lvae.tasks.brain.slices import spread_out
from lvae.tasks.task import Run, Spec, Splits, Variables

TABLE_SLICES = 256  # training slices whose codes the table of places starts from


def network(settings: Settings, spec: Spec) -> pixelcnn.PixelCNN:
    """The network for the codes of the VQ-VAE below."""
    codec = below.settings_of(spec)
    return build(settings.model, codec.model.codes, codec.grid)


def build(model: ModelSettings, codes: int, grid: tuple[int, int]) -> pixelcnn.PixelCNN:
    """The network for a number of codes and the rows and columns of a map."""
    return pixelcnn.PixelCNN(size=codes, grid=grid, **dataclasses.asdict(model))


def init(settings: Settings, spec: Spec, key: Key[Array, ""]) -> Variables:
    """{"params": network, "buffers": {"codec": the frozen VQ-VAE}}; `prepare` fills in the latter."""
    module = network(settings, spec)
    params = module.init(key, jnp.zeros((1, *module.grid), jnp.int32))["params"]
    return {"params": params, "buffers": {"codec": below.blank(spec)}}


def prepare(settings: Settings, variables: Variables, splits: Splits) -> Variables:
    """The VQ-VAE that `settings.vqvae` names, with whose codes the prior starts.

    A network with places starts at the shares of the codes of training slices at every place, a
    tied one at the vectors of the codes.
    """
    codec = below.trained(settings)
    model, params = settings.model, dict(variables["params"])
    if model.places:
        some = spread_out(splits["train"]["image"], TABLE_SLICES)
        params["table"] = np.asarray(_table(jnp.asarray(codec.encode(some)), codec.size))
    if model.tied:
        vectors = jnp.asarray(codec.vectors)
        params["embed"] = {"embedding": np.asarray(_vectors(vectors, model.embedding))}
    frozen = {"network": codec.params, "vectors": np.asarray(codec.vectors)}
    return {"params": params, "buffers": {"codec": frozen}}


_table = jax.jit(pixelcnn.place_logits, static_argnums=1)
_vectors = jax.jit(pixelcnn.code_features, static_argnums=1)


def surprises(run: Run[Settings], codes: Maps) -> Float[np.ndarray, "n rows columns"]:
    """-ln p of every code of every map given those before it, in nats."""
    module = network(run.settings, run.spec)
    function = functools.partial(_surprises, module, run.variables["params"])
    return in_batches(function, codes, size=run.settings.evaluation.batch_size)


@functools.partial(jax.jit, static_argnums=0)
def _surprises(module: pixelcnn.PixelCNN, params: PyTree, codes: Array) -> Array:
    logits: Any = module.apply({"params": params}, codes)
    return -pixelcnn.log_likelihood(logits, codes)
