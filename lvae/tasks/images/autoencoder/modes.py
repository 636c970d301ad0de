"""The sampling modes: images through the autoencoder, or new ones of the variational prior."""

import numpy as np
from jaxtyping import Int

from lvae.errors import UserError
from lvae.keys import stream
from lvae.models.autoencoders import VariationalAutoencoder
from lvae.models.gaussian import normal_codes
from lvae.tasks.images.autoencoder import network as networks
from lvae.tasks.images.autoencoder.data import load_data
from lvae.tasks.images.autoencoder.network import BATCH, decode, image_size, network
from lvae.tasks.images.autoencoder.settings import Settings
from lvae.tasks.images.files import SUFFIX, Named, drawn, read_inputs, restored
from lvae.tasks.images.scores import to_images
from lvae.tasks.task import Mode, Numbered, Plan, Request, Run, Sample

FORMATS = ("files", "webdataset")


def reconstruct(run: Run[Settings], request: Request) -> Plan:
    """Images of --data (default: the held-out split) through the autoencoder, under their names.

    Raises:
      UserError: an image has another size than the training images.
    """
    named = _inputs(run, request)
    module = network(run.settings, run.spec)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        images = to_images(np.stack([named.images[index] for index in indices.tolist()]))
        rebuilt = networks.reconstruct(module, run.variables, images)
        return [
            restored(images[place], rebuilt[place], {"source": named.sources[index]})
            for place, index in enumerate(indices.tolist())
        ]

    return Plan(named.names, (SUFFIX,), draw, block=BATCH)


def _inputs(run: Run[Settings], request: Request) -> Named:
    if request.data is None:
        images = load_data(run.settings)["test"]["image"][: request.num_samples]
        count = len(images)
        return Named(Numbered(count), Numbered(count, prefix="test-"), images)
    named = read_inputs(request.data, request.num_samples)
    height, width = image_size(run.spec)
    for source, image in zip(named.sources, named.images):
        if image.shape != (height, width):
            raise UserError(
                f"{request.data}: {source} has {image.shape[1]} x {image.shape[0]} pixels; the "
                f"autoencoder was trained on {width} x {height}; scale it, or train on such images"
            )
    return named


def prior(run: Run[Settings], request: Request) -> Plan:
    """New images, decoded from codes of the prior. Variational only.

    Raises:
      UserError: the run is of another design.
    """
    settings = run.settings
    module = network(settings, run.spec)
    if not isinstance(module, VariationalAutoencoder) or settings.sampling is None:
        raise UserError(
            f"--mode=prior: the {settings.model.design} autoencoder of {run.workdir} has no prior; "
            "train configs/autoencoder.py:variational"
        )

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        values = normal_codes(stream(request.seed, "prior"), indices, module.latents)
        images = decode(module, run.variables, values, image_size(run.spec))
        notes = [[round(float(value), 6) for value in code] for code in values]
        return [drawn(image, {"code": note}) for image, note in zip(images, notes)]

    count = request.num_samples or settings.sampling.samples
    return Plan(Numbered(count), (SUFFIX,), draw, block=BATCH)


MODES = {
    "reconstruct": Mode(
        reconstruct,
        "Images of --data (default: the held-out ones) through the autoencoder.",
        formats=FORMATS,
    ),
    "prior": Mode(
        prior, "New images decoded from the prior (variational only).", formats=FORMATS, new=True
    ),
}
