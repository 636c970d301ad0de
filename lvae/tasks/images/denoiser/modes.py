"""The sampling modes: clean a user's images, or make noisy ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from lvae.data.digits import is_idx
from lvae.data.gray import read_gray
from lvae.data.image_folder import read_splits
from lvae.imaging.levels import from_levels
from lvae.imaging.sheets import Gray
from lvae.tasks.images.corruption import corrupt_one
from lvae.tasks.images.denoiser.results import cleaned_samples
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.images.files import SUFFIX, Named, idx_bytes, read_inputs, restored
from lvae.tasks.task import Json, Mode, Numbered, Plan, Request, Run, Sample

DEMONSTRATION = 64  # images of `denoise` without --data
COPIES = 64  # of `corrupt` drawn together

FORMATS = ("files", "webdataset")


def denoise(run: Run[Settings], request: Request) -> Plan:
    """Cleans --data (an image, a folder of images, an IDX file): PNGs of the same names. The manifest
    says how noisy each image was, if the network estimates it.

    Without --data the held-out images with noise as the config has it: a demonstration. An IDX file
    gives one PNG for each image, and an IDX file of its own name.

    Raises:
      UserError: there is nothing to clean.
    """
    settings = run.settings
    if request.data is None:
        return _demonstration(run, request)
    named = read_inputs(request.data, request.num_samples)

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        chosen = [from_levels(named.images[index])[..., None] for index in indices.tolist()]
        notes: list[dict[str, Json]] = [{"source": named.sources[i]} for i in indices.tolist()]
        return cleaned_samples(run, np.stack(chosen), notes)

    plan = Plan(named.names, (SUFFIX,), draw, block=_block(settings, named.images))
    if not is_idx(request.data) or request.num_samples is not None:
        return plan
    compressed = request.data.suffix.lower() == ".gz"
    extras = {request.data.name: lambda out: idx_bytes(_cleaned(plan, out), compressed)}
    return plan._replace(extras=extras)


def _block(settings: Settings, images: Sequence[Gray] | np.ndarray) -> int:
    """Images of the network's size share its batches; larger ones are many tiles each."""
    side = settings.data.tile
    small = all(image.shape == (side, side) for image in images)
    return settings.sampling.batch_size if small else 1


def _cleaned(plan: Plan, out: Path) -> UInt8[np.ndarray, "n height width"]:
    """All results of a plan: from their files, or drawn again where another shard or another format
    has them."""
    files = [out / f"{name}{SUFFIX}" for name in plan.names]
    if all(file.exists() for file in files):
        return np.stack([read_gray(file) for file in files])
    count = len(files)
    samples = [
        sample
        for start in range(0, count, plan.block)
        for sample in plan.draw(np.arange(start, min(start + plan.block, count)))
    ]
    # a pair is shown: the result is its lower half
    pictures = [sample.encode().picture for sample in samples]
    return np.stack([picture[len(picture) // 2 :] for picture in pictures])


def _demonstration(run: Run[Settings], request: Request) -> Plan:
    """Held-out images, counted round: noise of the config, then the network."""
    settings = run.settings
    images = read_splits(settings.data.path, settings.data.validation_share)["test"]["image"]
    sources = Numbered(len(images), prefix="test-")

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        noisy: list[np.ndarray] = []
        notes: list[dict[str, Json]] = []
        for number in indices.tolist():
            place = number % len(images)
            image, note = corrupt_one(settings.corruption, request.seed, number, images[place])
            noisy.append(image)
            notes.append({"source": sources[place]} | note)
        return cleaned_samples(run, np.stack(noisy), notes)

    count = request.num_samples or DEMONSTRATION
    return Plan(Numbered(count), (SUFFIX,), draw, block=_block(settings, images))


def corrupt(run: Run[Settings], request: Request) -> Plan:
    """Noisy copies of --data (default: the training split): an augmentation set.

    Copy number i shows image i (counted round) with the mixture's kind i (counted round); its noise
    depends on --seed and on i alone. As many as there are images unless --num_samples says
    otherwise. Values outside [0, 1] are clipped, as a PNG must.

    Raises:
      UserError: bad input.
    """
    settings = run.settings.corruption
    named = _originals(run.settings, request.data)
    images = named.images

    def draw(indices: Int[np.ndarray, " samples"]) -> list[Sample]:
        samples = []
        for number in indices.tolist():
            place = number % len(images)
            noisy, note = corrupt_one(settings, request.seed, number, images[place])
            clean = from_levels(images[place])[..., None]
            note = {"source": named.sources[place], "number": number} | note
            samples.append(restored(clean, noisy, note))
        return samples

    count = request.num_samples or len(images)
    return Plan(Numbered(count), (SUFFIX,), draw, block=COPIES)


def _originals(settings: Settings, data: Path | None) -> Named:
    """What is corrupted: images, or the training split of digits."""
    digits = data is not None and data.is_dir() and any(map(is_idx, data.iterdir()))
    if data is not None and not digits:
        return read_inputs(data)
    path = data if data is not None else settings.data.path
    images = read_splits(path, settings.data.validation_share)["train"]["image"]
    names = Numbered(len(images), prefix="train-")
    return Named(names, names, images)


MODES = {
    "denoise": Mode(
        denoise, "Cleans the images of --data; PNGs of the same names.", formats=FORMATS
    ),
    "corrupt": Mode(
        corrupt, "Noisy copies of --data (default: the training split).", formats=FORMATS
    ),
}
