"""What a laser-grid run is worth on each recording that it never saw: those of its test split."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lvae.metrics import grid_sets
from lvae.metrics.memorised import memorised_share, rms_distances
from lvae.metrics.two_sample import two_sample_auroc
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.grids.vae import drawing, measures
from lvae.tasks.grids.vae.fidelity import (
    Drawn,
    all_real_frames,
    as_written,
    simulated_frames,
    texture,
)
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import Run, Split, Splits

Row = dict[str, Any]


def held_out_rows(run: Run[Settings], splits: Splits, count: int = 2000) -> list[Row]:
    """One row per recording of the test split.

    error: of mean codes, px and pitches. AUROC: of forests that were trained on all other real
    recordings and on drawn frames, at telling drawn frames from this recording's; `prior`, and the
    simulator as a control. coverage: median distance of the recording's frames to the nearest of
    `count` prior samples over that to the nearest training frame. memorised: share of prior samples
    nearer to a training recording than to this one, beside its chance level.
    """
    train, test = measures.real_frames(splits), splits["test"]
    prior = measures.prior_samples(run, count)
    told = {"prior": told_apart(run, splits, Drawn(*prior))}
    told["simulator"] = told_apart(run, splits, simulated_frames(run))
    found = [
        _row(run, train, _recording(test, number), prior) for number in np.unique(test["recording"])
    ]
    for kind, values in told.items():
        for row, value in zip(found, values, strict=True):
            row[f"{kind} told apart, AUROC"] = value
    return found


def told_apart(run: Run[Settings], splits: Splits, drawn: Drawn) -> list[float]:
    """AUROC of each recording of the test split against drawn frames."""
    real = all_real_frames(splits)
    written = as_written(run, drawn)
    result = two_sample_auroc(
        texture(run, real["points"], real["visible"]),
        texture(run, written.points, written.visible),
        real["recording"],
        written.groups,
    )
    held_out = len(np.unique(splits["test"]["recording"]))
    last = np.unique(real["recording"])[-held_out:]  # the test split comes last
    folds = [result.real_fold[real["recording"] == number][0] for number in last]
    return [float(result.by_fold[fold]) for fold in folds]


def _row(run: Run[Settings], train: Split, test: Split, prior: drawing.Grids) -> Row:
    grids = drawing.reconstruct(run, test["points"], test["visible"])
    errors = grid_sets.reconstruction_errors(test["points"], test["visible"], grids.points)
    some = as_written(run, Drawn(*prior))
    near, far = (
        rms_distances(some.points, some.visible, frames["points"], frames["visible"])
        for frames in (train, test)
    )
    found = memorised_share(near, far, train["recording"], test["recording"])
    return {
        "frames": f"{test['id'][0]}-{test['id'][-1]}",
        "error, px": float(errors.mean()),
        "error, pitches": float(errors.mean()) / scale_of(run.spec).point,
        "coverage": measures.coverage(prior, test, train),
        "nearest to training": found.share,
        "by chance": found.chance,
    }


def _recording(split: Mapping[str, np.ndarray], number: int) -> Split:
    chosen = split["recording"] == number
    return {name: array[chosen] for name, array in split.items()}
