"""Numbers about a laser-grid run: its codes, its reconstructions, its samples."""

from typing import Any

import numpy as np

from lvae import configuration
from lvae.data.filling import fill_missing
from lvae.grids.cleanup import clean_up
from lvae.keys import stream
from lvae.metrics import generative, grid_sets
from lvae.metrics.grid_facts import grid_facts
from lvae.tasks.interface import Run, Splits
from lvae.tasks.laser_grid import drawing, prior
from lvae.tasks.laser_grid.settings import EvaluationSettings, SamplingSettings

NOVELTY_SAMPLES = 500  # a median needs no more; their distances to all frames take seconds
ACTIVE_KL = 0.1  # nats; a dimension that carries less is not in use


def code_measures(run: Run, split: dict[str, np.ndarray]) -> dict[str, Any]:
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


def reconstruction_measures(run: Run, split: dict[str, np.ndarray]) -> dict[str, float]:
    """Errors over visible points, px, and how well missing points are told."""
    grids = drawing.reconstruct(run, split["points"], split["visible"])
    errors = grid_sets.reconstruction_errors(split["points"], split["visible"], grids.points)
    return {
        "reconstruction_px_mean": float(errors.mean()),
        "reconstruction_px_median": float(np.median(errors)),
        "reconstruction_px_p95": float(np.percentile(errors, 95)),
        **grid_sets.visibility_scores(split["visible"], grids.visible),
    }


def sample_measures(run: Run, splits: Splits) -> dict[str, Any]:
    """Facts of `noise` and `prior` samples beside those of real training frames."""
    settings = configuration.section(EvaluationSettings, run.config.evaluation, "evaluation")
    sampling = configuration.section(SamplingSettings, run.config.sampling, "sampling")
    train = real_frames(splits)
    held_out = splits.get("validation", train)
    facts = {"real": grid_facts(train["points"], train["visible"], train["recording"])}
    to_training = grid_sets.aligned_distances(
        held_out["points"], held_out["visible"], train["points"], train["visible"]
    )
    measures: dict[str, Any] = {}
    for name, grids in (
        ("noise", noise_samples(run, splits, settings.samples)),
        ("prior", prior_samples(run, splits, settings.samples)),
    ):
        recording = np.arange(len(grids.points))
        facts[name] = grid_facts(grids.points, grids.visible, recording)
        cleaned, kept = clean_up(grids.points, grids.visible, bilateral=sampling.bilateral)
        after = grid_facts(cleaned, kept)
        some = slice(0, NOVELTY_SAMPLES)
        distances = grid_sets.aligned_distances(
            grids.points[some], grids.visible[some], train["points"], train["visible"]
        )
        to_samples = grid_sets.aligned_distances(
            held_out["points"], held_out["visible"], grids.points, grids.visible
        )
        numbers = {
            "violations_x_per_1000": facts[name]["order_violations_x"],
            "violations_y_per_1000": facts[name]["order_violations_y"],
            "violations_x_per_1000_after_cleanup": after["order_violations_x"],
            "violations_y_per_1000_after_cleanup": after["order_violations_y"],
            "missing_by_column_correlation": _correlation(facts, name, "missing_by_column"),
            "missing_by_row_correlation": _correlation(facts, name, "missing_by_row"),
            "nearest_training_px": grid_sets.novelty(distances),
            "coverage_ratio": grid_sets.coverage_ratio(to_samples, to_training),
            **distribution_measures(train, grids),
        }
        measures |= {f"{name}_{key}": value for key, value in numbers.items()}
    return measures | {"facts": facts}


def distribution_measures(
    train: dict[str, np.ndarray], grids: drawing.Grids, neighbours: int = 5
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


def noise_samples(run: Run, splits: Splits, count: int, seed: int = 0) -> drawing.Grids:
    """`noise` samples at factor 1, raw."""
    train = real_frames(splits)
    codes = drawing.encode_frames(run, train["points"], train["visible"])
    source = np.arange(count) % len(codes.mean)
    key = stream(seed, "noise")
    normal = drawing.normal_codes(key, np.arange(count), codes.mean.shape[1])
    drawn = codes.mean[source] + codes.deviation[source] * normal
    return _decoded(run, drawn, key)


def prior_samples(run: Run, splits: Splits, count: int, seed: int = 0) -> drawing.Grids:
    """`prior` samples, raw."""
    return _decoded(run, prior_codes(run, splits, seed)(np.arange(count)), stream(seed, "prior"))


def prior_codes(run: Run, splits: Splits, seed: int):
    """A function from sample indices to codes, by config.sampling.prior."""
    if run.config.sampling.prior == "normal":
        key = stream(seed, "prior")
        return lambda indices: drawing.normal_codes(key, indices, run.config.model.latents)
    mixture = prior.fit_mixture(run, splits)
    return lambda indices: prior.draw_codes(mixture, seed, indices)


def real_frames(splits: Splits) -> dict[str, np.ndarray]:
    """The training split without the simulated recordings that may be mixed in."""
    train = splits["train"]
    return {name: array[train["real"]] for name, array in train.items()}


def _decoded(run: Run, codes: np.ndarray, key: Any) -> drawing.Grids:
    blocks = [
        drawing.decode_codes(
            run,
            codes[start : start + drawing.BLOCK],
            np.arange(start, min(start + drawing.BLOCK, len(codes))),
            key,
            1.0,
        )
        for start in range(0, len(codes), drawing.BLOCK)
    ]
    return drawing.Grids(*(np.concatenate(parts) for parts in zip(*blocks)))


def _correlation(facts: dict[str, Any], name: str, field: str) -> float:
    """Pearson's, between the real and the drawn pattern of missing points."""
    real, drawn = np.asarray(facts["real"][field]), np.asarray(facts[name][field])
    if real.std() == 0 or drawn.std() == 0:
        return 0.0
    return float(np.corrcoef(real, drawn)[0, 1])
