"""What an audit must know of brain slices: whose they are, and how likely the prior calls them."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from lvae.metrics.slice_statistics import slice_features
from lvae.tasks.auditor import Examples
from lvae.tasks.brain.prior import planning
from lvae.tasks.brain.prior.below import codec_below
from lvae.tasks.brain.prior.loss import reload_data
from lvae.tasks.brain.prior.network import surprises
from lvae.tasks.brain.prior.settings import Settings
from lvae.tasks.image_auditing import image_auditor
from lvae.tasks.task import Run, Splits, with_data


def real(run: Run[Settings], split: Examples) -> Examples:
    """All slices of a split: image, subject."""
    return {name: split[name] for name in ("image", "subject")}


def load(run: Run[Settings], path: Path) -> Splits:
    """The subjects of a folder.

    Raises:
      UserError: see `lvae.data.brain`.
    """
    return reload_data(with_data(run.settings, path), run.spec)


def scores(run: Run[Settings], slices: Examples) -> dict[str, Float[np.ndarray, " n"]]:
    """Minus the mean squared error of the codec below, grey levels squared, and the log likelihood of
    a slice's codes, nats."""
    codec, images = codec_below(run.spec, run.variables), slices["image"]
    codes = codec.encode(images)
    error = ((255 * codec.decode(codes) - images.astype(np.float32)) ** 2).mean((1, 2))
    surprise = surprises(run, codes, planning.maps_of_images(run, images, codec.grid))
    return {"reconstruction": -error, "likelihood": -surprise.sum((1, 2))}


# Training mirrors slices, so that a mirrored copy is a copy.
AUDITOR = image_auditor(
    "subject",
    "subject",
    real,
    load,
    scores,
    texture=lambda images: slice_features(images / 255.0),
    mirrored=True,
)
