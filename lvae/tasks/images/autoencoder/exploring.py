"""The latent space of the variational autoencoder, for going through it by hand."""

import functools
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from lvae.errors import UserError
from lvae.imaging.levels import to_levels
from lvae.keys import stream
from lvae.models.autoencoders import VariationalAutoencoder
from lvae.models.gaussian import normal_codes
from lvae.tasks import coded_images, latent_space
from lvae.tasks.exploring import Exploration
from lvae.tasks.images.autoencoder.data import load_data
from lvae.tasks.images.autoencoder.network import decode, image_size, moments, network
from lvae.tasks.images.autoencoder.settings import Settings
from lvae.tasks.images.scores import to_images
from lvae.tasks.task import Explorer, Run, Split, with_data


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


def read(run: Run[Settings], data: Path | None) -> coded_images.CodedImages:
    """Held-out images (of --data, laid out as config.data.path) and their codes."""
    split = load_data(with_data(run.settings, data))["test"]
    names = [str(number) for number in range(len(split["image"]))]
    labels = split["label"].tolist() if "label" in split else [0] * len(names)
    space = latent_space.latent_space(names, [str(label) for label in labels], *encode(run, split))
    latents = len(space.spread)
    return coded_images.CodedImages(
        space,
        split["image"],
        EXPLORER.label,
        lambda codes: decoded(run, codes)["image"],
        lambda seed: functools.partial(_normal, seed, latents),
    )


def _normal(seed: int, latents: int, indices: np.ndarray) -> Float[np.ndarray, "n latents"]:
    return normal_codes(stream(seed, "prior"), indices, latents)


def page(run: Run[Settings], data: Path | None) -> Exploration:
    """The page of a variational autoencoder."""
    return coded_images.exploration(read(run, data))


CODE = coded_images.code_mode(read)
EXPLORER = Explorer(encode, decoded, render, label="label")
