"""Which pictures a laser-grid VAE gets: arrays here, drawing in `lvae.figures.laser_grid`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lvae.figures import canvas
from lvae.figures import laser_grid as drawn
from lvae.tasks.grids.data import real_frames
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.grids.vae import drawing, modes
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import NamedPicture, Request, Run, Split, Splits

LEAST_SHOWN, MOST_SHOWN = 4, 10  # frames rebuilt in a picture, where there are so many
DRAWN = 200  # samples among the codes of the frames
TERMS = ("reconstruction", "coding", "kl", "visibility", "error_px", "reconstruction_px_mean")


def figures(
    run: Run[Settings], splits: Splits, history: Sequence[Mapping[str, Any]]
) -> Iterator[NamedPicture]:
    """Frames rebuilt, the codes, the losses."""
    train = real_frames(splits)
    held_out = splits.get("validation", train)
    for name, split in (("train", train), ("validation", held_out)):
        shown = _spread_out(split["recording"])
        points, visible = split["points"][shown], split["visible"][shown]
        decoded = drawing.reconstruct(run, points, visible)
        yield (
            f"reconstructions_{name}",
            drawn.reconstructions(
                points,
                visible,
                decoded.points,
                decoded.visible,
                split["id"][shown],
                scale_of(run.spec).frame,
            ),
        )
    yield "codes", drawn.code_map(_codes(run, train, splits.get("validation")), train["recording"])
    yield "losses", canvas.loss_curves(history, TERMS)


def _spread_out(recording: Int[np.ndarray, " frames"]) -> Int[np.ndarray, " shown"]:
    """Which frames are shown: the first of each recording, of at most `MOST_SHOWN` of these; of few
    recordings some later frames, too, so that a single one fills more than a column."""
    names, lengths = np.unique(recording, return_counts=True)
    chosen = np.linspace(0, len(names) - 1, min(len(names), MOST_SHOWN)).round().astype(int)
    each = np.minimum(lengths[chosen], max(1, LEAST_SHOWN // len(chosen)))
    frames = [
        np.flatnonzero(recording == names[place])[np.arange(count) * lengths[place] // count]
        for place, count in zip(chosen, each)
    ]
    return np.concatenate(frames)


def _codes(
    run: Run[Settings], train: Split, held_out: Split | None
) -> dict[str, Float[np.ndarray, "_ latents"]]:
    """Mean codes of training frames, of samples of `prior`, of held-out frames."""
    plan = modes.prior(run, Request("prior", num_samples=DRAWN, options=modes.NoiseOptions()))
    samples = plan.draw(np.arange(DRAWN))
    named: dict[str, Split | None] = {
        "training frames": train,
        "drawn by prior": {
            name: np.stack([sample.arrays[name] for sample in samples])
            for name in ("points", "visible")
        },
        "held-out frames": held_out,
    }
    return {
        name: drawing.encode_frames(run, frames["points"], frames["visible"]).mean
        for name, frames in named.items()
        if frames is not None
    }
