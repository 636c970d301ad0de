"""Numbers about a laser-grid run: its codes, its reconstructions, its samples."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lvae.data.filling import fill_missing
from lvae.grids.cleanup import clean_up
from lvae.keys import stream
from lvae.metrics import generative, grid_sets
from lvae.metrics.grid_facts import grid_facts
from lvae.tasks.grids.calibrated import epipolar_px
from lvae.tasks.grids.data import real_frames
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.grids.vae import drawing
from lvae.tasks.grids.vae.fidelity import Drawn, fidelity
from lvae.tasks.grids.vae.laws import SAMPLES, laws_of
from lvae.tasks.grids.vae.prior import noise_codes, prior_codes
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import Numbers, Run, Split, Splits

NOVELTY_SAMPLES = 500  # a median needs no more; their distances to all frames take seconds
ACTIVE_KL = 0.1  # nats; a dimension that carries less is not in use


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> Numbers:
    """Reconstruction and visibility of a split; of the training split its codes, too.

    Thorough: how far its frames stray across epipolar lines; for the validation split (or, without
    one, the training split) the facts of drawn samples.
    """
    held_out = "validation" if "validation" in splits else "train"
    frames = real_frames(splits) if split == "train" else splits[split]
    result: dict[str, Any] = dict(reconstruction_measures(run, frames))
    if split == "train":
        result |= code_measures(run, frames)
    if thorough:
        strays = epipolar_px(run.spec, frames["points"], frames["visible"])
        result |= {} if strays is None else {"epipolar_px": strays}
        if split == held_out:
            result |= sample_measures(run, splits)
    return result


def code_measures(run: Run[Settings], split: Split) -> dict[str, Any]:
    """KL of every dimension, the sum, how many dimensions are in use, whether the code collapsed."""
    codes = drawing.encode_frames(run, split["points"], split["visible"])
    variance = codes.deviation**2
    kl = 0.5 * (codes.mean**2 + variance - 1.0 - np.log(variance)).mean(axis=0)
    active = int(np.sum(kl > ACTIVE_KL))
    return {
        "kl_per_dimension": kl.tolist(),
        "kl": float(kl.sum()),
        "active_dimensions": active,
        "collapsed": active == 0,
    }


def reconstruction_measures(run: Run[Settings], split: Split) -> dict[str, float]:
    """Errors over visible points, px and pitches, and how well missing points are found."""
    grids = drawing.reconstruct(run, split["points"], split["visible"])
    errors = grid_sets.reconstruction_errors(split["points"], split["visible"], grids.points)
    return {
        "reconstruction_px_mean": float(errors.mean()),
        "reconstruction_px_median": float(np.median(errors)),
        "reconstruction_px_p95": float(np.percentile(errors, 95)),
        "reconstruction_pitches_mean": float(errors.mean()) / scale_of(run.spec).point,
        **grid_sets.visibility_scores(split["visible"], grids.visible),
    }


def sample_measures(run: Run[Settings], splits: Splits) -> dict[str, Any]:
    """Facts of `noise` and `prior` samples beside those of real training frames."""
    train = real_frames(splits)
    held_out = splits.get("validation", train)
    facts = {"real": grid_facts(train["points"], train["visible"], train["recording"])}
    count = run.settings.evaluation.samples
    measures: dict[str, Any] = {}
    drawn = {"noise": noise_samples(run, train, count), "prior": prior_samples(run, count)}
    for name, grids in drawn.items():
        facts[name] = grid_facts(grids.points, grids.visible, np.arange(len(grids.points)))
        numbers = {
            **_order(facts[name], grids, run.settings.sampling.bilateral),
            "missing_by_column_correlation": _correlation(facts, name, "missing_by_column"),
            "missing_by_row_correlation": _correlation(facts, name, "missing_by_row"),
            "nearest_training_px": novelty_px(grids, train),
            "coverage_ratio": coverage(grids, held_out, train),
            **distribution_measures(train, grids),
        }
        measures |= {f"{name}_{key}": value for key, value in numbers.items()}
    source = train["recording"][np.arange(count) % len(train["recording"])]
    compared = {"noise": Drawn(*drawn["noise"], source), "prior": Drawn(*drawn["prior"])}
    return measures | fidelity(run, splits, compared) | {"facts": facts}


def _order(facts: Mapping[str, Any], grids: drawing.Grids, bilateral: bool) -> dict[str, float]:
    """Neighbours out of order, per 1,000, before and after the clean-up."""
    cleaned, kept = clean_up(grids.points, grids.visible, bilateral=bilateral)
    after = grid_facts(cleaned, kept)
    return {
        "violations_x_per_1000": facts["order_violations_x"],
        "violations_y_per_1000": facts["order_violations_y"],
        "violations_x_per_1000_after_cleanup": after["order_violations_x"],
        "violations_y_per_1000_after_cleanup": after["order_violations_y"],
    }


def novelty_px(grids: drawing.Grids, train: Split) -> float:
    """Median distance of samples to the nearest training frame, px."""
    some = slice(0, NOVELTY_SAMPLES)
    distances = grid_sets.aligned_distances(
        grids.points[some], grids.visible[some], train["points"], train["visible"]
    )
    return grid_sets.novelty(distances)


def coverage(grids: drawing.Grids, held_out: Split, train: Split) -> float:
    """How near samples come to frames that were not trained on, see `grid_sets.coverage_ratio`."""
    to_samples, to_training = (
        grid_sets.aligned_distances(held_out["points"], held_out["visible"], points, visible)
        for points, visible in (grids, (train["points"], train["visible"]))
    )
    return grid_sets.coverage_ratio(to_samples, to_training)


def distribution_measures(
    train: Split, grids: drawing.Grids, neighbours: int = 5
) -> dict[str, float]:
    """Kernel distance, precision, recall, density and coverage of samples against training frames;
    real neighbours are taken across recordings."""
    real = grid_sets.features(train["filled"])
    drawn = grid_sets.features(fill_missing(grids.points, grids.visible))
    result = {"kernel_distance": grid_sets.kernel_distance(real, drawn, train["recording"])}
    _, frames = np.unique(train["recording"], return_counts=True)
    neighbours = min(neighbours, len(real) - int(frames.max()), len(drawn) - 1)
    if neighbours > 0:
        compared = generative.compare(real, drawn, neighbours, real_groups=train["recording"])
        result |= {key: float(value) for key, value in compared._asdict().items()}
    return result


def noise_samples(run: Run[Settings], train: Split, count: int, seed: int = 0) -> drawing.Grids:
    """`noise` samples of these frames at factor 1, raw."""
    drawn = noise_codes(drawing.encode_frames(run, train["points"], train["visible"]), seed)
    indices = np.arange(count)
    laws = laws_of(run, drawn(np.arange(SAMPLES)), train)
    return drawing.decode_codes(run, drawn(indices), indices, stream(seed, "noise"), 1.0, laws)


def prior_samples(run: Run[Settings], count: int, seed: int = 0) -> drawing.Grids:
    """`prior` samples, raw."""
    codes, indices = prior_codes(run, seed), np.arange(count)
    laws = laws_of(run, codes(np.arange(SAMPLES)))
    return drawing.decode_codes(run, codes(indices), indices, stream(seed, "prior"), 1.0, laws)


def _correlation(facts: Mapping[str, Any], name: str, field: str) -> float:
    """Pearson's, between the real and the drawn pattern of missing points."""
    real, drawn = np.asarray(facts["real"][field]), np.asarray(facts[name][field])
    if real.std() == 0 or drawn.std() == 0:
        return 0.0
    return float(np.corrcoef(real, drawn)[0, 1])
