"""What an autoencoder's figures show, computed; `lvae.figures.denoising` draws it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from lvae.figures import canvas, denoising
from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import contact_sheet
from lvae.models.autoencoders import ConcreteAutoencoder, VariationalAutoencoder
from lvae.tasks.images.autoencoder.measures import ACTIVE, noisy_images
from lvae.tasks.images.autoencoder.network import (
    codes,
    decode,
    image_size,
    network,
    reconstruct,
    selected,
    variance_pixels,
)
from lvae.tasks.images.autoencoder.settings import ConcreteModel, Settings
from lvae.tasks.images.scores import HostImages, to_images
from lvae.tasks.task import NamedPicture, Run, Splits

CODED = 200  # held-out images whose codes are looked at
RECONSTRUCTED = 8  # of them in a figure
CODES_SHOWN = 40
GRID = 16  # images per side of the manifold
REACH = 2.0  # standard deviations from its middle


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[NamedPicture]:
    """Reconstructions, the loss, and what the design has to show."""
    settings, variables = run.settings, run.variables
    module = network(settings, run.spec)
    images = to_images(splits["test"]["image"][:CODED])
    clean = images[:RECONSTRUCTED]
    noisy = noisy_images(settings, clean)
    rebuilt = reconstruct(module, variables, noisy)
    strips = [list(part[..., 0]) for part in (noisy, rebuilt, clean)]
    yield "reconstructions", denoising.strip(*strips)
    yield "losses", canvas.loss_curves(history, ("loss", "reconstruction"))
    if isinstance(module, VariationalAutoencoder):
        yield "manifold", manifold_sheet(run, images)
    elif isinstance(module, ConcreteAutoencoder):
        assert isinstance(settings.model, ConcreteModel)
        train = to_images(splits["train"]["image"])
        picked = {
            settings.model.selection: np.asarray(selected(module, variables)),
            "highest variance": variance_pixels(train, module.features),
        }
        yield "selected_pixels", denoising.selected_pixels(train.mean(axis=0)[..., 0], picked)
    else:
        activations = codes(module, variables, images)
        shares = np.mean(activations > ACTIVE, axis=0)
        yield "activations", denoising.activations(activations[:CODES_SHOWN], shares)


def manifold_sheet(
    run: Run[Settings], images: HostImages
) -> UInt8[np.ndarray, "sheet_height sheet_width"]:
    """Decoded codes on the plane of the two widest directions of the codes of `images`."""
    module = network(run.settings, run.spec)
    known = codes(module, run.variables, images)
    mean = known.mean(axis=0)
    _, widths, directions = np.linalg.svd(known - mean, full_matrices=False)
    spread = widths[:2] / np.sqrt(len(known))
    steps = np.linspace(-REACH, REACH, GRID)
    down, across = np.meshgrid(steps[::-1], steps, indexing="ij")
    plane = np.stack([across, down], axis=-1)[..., : len(spread)] * spread
    sheet = mean + plane.reshape(-1, len(spread)) @ directions[:2]
    decoded = decode(module, run.variables, sheet.astype(np.float32), image_size(run.spec))
    return contact_sheet(list(to_levels(decoded[..., 0])), GRID, gap=0)
