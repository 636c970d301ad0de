"""Cleaned images as samples, with what the network says of their noise."""

from collections.abc import Sequence

from lvae.tasks.images.denoiser.network import restore
from lvae.tasks.images.denoiser.settings import Settings
from lvae.tasks.images.files import restored
from lvae.tasks.images.scores import HostImages
from lvae.tasks.task import Json, Run, Sample

NOISE = "estimated_noise"  # mean |noisy - clean|, grey levels of 255


def cleaned_samples(
    run: Run[Settings], noisy: HostImages, notes: Sequence[dict[str, Json]]
) -> list[Sample]:
    """Images of one size, cleaned. Their notes also say how noisy each was, if that is estimated."""
    images, noise = restore(run.settings, run.variables["params"], noisy)
    if noise is not None:
        notes = [note | {NOISE: round(255 * float(one), 2)} for note, one in zip(notes, noise)]
    return [restored(*parts) for parts in zip(noisy, images, notes)]
