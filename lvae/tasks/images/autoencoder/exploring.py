"""The latent space of the variational autoencoder, for going through it by hand."""

import numpy as np
from jaxtyping import Float, UInt8

from lvae.errors import UserError
from lvae.imaging.levels import to_levels
from lvae.models.autoencoders import VariationalAutoencoder
from lvae.tasks.images.autoencoder.network import decode, image_size, moments, network
from lvae.tasks.images.autoencoder.settings import Settings
from lvae.tasks.images.scores import to_images
from lvae.tasks.task import Explorer, Run, Split


def encode(run: Run[Settings], split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the codes of images."""
    images = to_images(split["image"])
    mean, log_variance = moments(_module(run), run.variables, images)
    return mean, np.exp(0.5 * log_variance)


def decoded(run: Run[Settings], codes: Float[np.ndarray, "n latents"]) -> Split:
    """Images of codes, as levels."""
    images = decode(_module(run), run.variables, codes.astype(np.float32), image_size(run.spec))
    return {"image": to_levels(images[..., 0])}


def render(run: Run[Settings], split: Split) -> UInt8[np.ndarray, "n height width"]:
    """The images themselves."""
    return split["image"]


def _module(run: Run[Settings]) -> VariationalAutoencoder:
    module = network(run.settings, run.spec)
    if not isinstance(module, VariationalAutoencoder):
        raise UserError(
            f"{run.workdir}: a {run.settings.model.design} autoencoder has no latent space to go "
            "through; train configs/autoencoder.py:variational"
        )
    return module


EXPLORER = Explorer(encode, decoded, render, label="label")
