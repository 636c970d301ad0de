"""What an audit must know of images: every one is its own unit, and what the model says of them."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from lvae.models.autoencoders import VariationalAutoencoder
from lvae.models.batching import in_batches
from lvae.models.gaussian import normal_kl
from lvae.tasks.auditor import Examples
from lvae.tasks.image_auditing import image_auditor
from lvae.tasks.images.autoencoder.data import load_data
from lvae.tasks.images.autoencoder.network import BATCH, apply, moments, network, reconstruct
from lvae.tasks.images.autoencoder.settings import Settings
from lvae.tasks.images.scores import to_images
from lvae.tasks.task import Run, Splits, Variables, with_data


def real(run: Run[Settings], split: Examples) -> Examples:
    """All images of a split. Who is on which image no folder says: each is its own unit."""
    images = split["image"]
    return {"image": images, "number": np.arange(len(images))}


def load(run: Run[Settings], path: Path) -> Splits:
    """The images of a folder or of IDX files.

    Raises:
      UserError: see `lvae.data.image_folder`.
    """
    return load_data(with_data(run.settings, path))


def scores(run: Run[Settings], examples: Examples) -> dict[str, Float[np.ndarray, " n"]]:
    """Minus the mean squared error; of a variational autoencoder the evidence lower bound at the mean
    code, nats, too."""
    module, images = network(run.settings, run.spec), to_images(examples["image"])
    rebuilt = reconstruct(module, run.variables, images)
    found = {"reconstruction": -((images - rebuilt) ** 2).mean((1, 2, 3))}
    if isinstance(module, VariationalAutoencoder):
        found["elbo"] = _evidence(module, run.variables, images)
    return found


def _evidence(
    module: VariationalAutoencoder, variables: Variables, images: np.ndarray
) -> Float[np.ndarray, " n"]:
    function = functools.partial(_bound, module, variables)
    return in_batches(function, images, *moments(module, variables, images), size=BATCH)


@functools.partial(jax.jit, static_argnums=0)
def _bound(
    module: VariationalAutoencoder,
    variables: Variables,
    images: Array,
    mean: Array,
    log_variance: Array,
) -> Array:
    logits: Any = apply(module, variables, mean, method="decode")
    flat = images.reshape(len(images), -1)
    missed = jnp.sum(optax.sigmoid_binary_cross_entropy(logits, flat), axis=1)
    return -missed - normal_kl(mean, log_variance).sum(1)


AUDITOR = image_auditor("number", "image", real, load, scores)
