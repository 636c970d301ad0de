"""Which pictures a laser-grid VAE gets: arrays here, drawing in `lvae.figures.laser_grid`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lvae.figures import canvas
from lvae.figures import laser_grid as drawn
from lvae.tasks.grids.data import real_frames
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.grids.vae import drawing
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import NamedPicture, Run, Splits

TERMS = ("reconstruction", "coding", "kl", "visibility", "error_px", "reconstruction_px_mean")


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[NamedPicture]:
    """Frames of every recording rebuilt, the codes, the losses."""
    train = real_frames(splits)
    held_out = splits.get("validation", train)
    for name, split in (("train", train), ("validation", held_out)):
        first = np.unique(split["recording"], return_index=True)[1]  # one frame per recording
        points, visible = split["points"][first], split["visible"][first]
        decoded = drawing.reconstruct(run, points, visible)
        yield (
            f"reconstructions_{name}",
            drawn.reconstructions(
                points,
                visible,
                decoded.points,
                decoded.visible,
                split["id"][first],
                scale_of(run.spec).frame,
            ),
        )
    codes = drawing.encode_frames(run, train["points"], train["visible"])
    yield "codes", drawn.code_map(codes.mean, train["recording"])
    yield "losses", canvas.loss_curves(history, TERMS)
