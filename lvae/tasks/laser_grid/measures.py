"""Numbers about a laser-grid run: its codes, its reconstructions, its samples."""

from typing import Any

import numpy as np

from lvae import configuration
from lvae.grids.cleanup import clean_up
from lvae.keys import stream
from lvae.metrics import grid_sets
from lvae.metrics.grid_facts import grid_facts, order_violations
from lvae.tasks.interface import Run, Splits
from lvae.tasks.laser_grid import drawing, prior
from lvae.tasks.laser_grid.settings import EvaluationSettings, SamplingSettings

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
        distances = grid_sets.aligned_distances(
            grids.points, grids.visible, train["points"], train["visible"]
        )
        to_samples = grid_sets.aligned_distances(
            held_out["points"], held_out["visible"], grids.points, grids.visible
        )
        measures |= {
            f"{name}_violations_per_1000": order_violations(grids.points, grids.visible),
            f"{name}_violations_per_1000_after_cleanup": order_violations(cleaned, kept),
            f"{name}_missing_column_correlation": _correlation(facts, name, "missing_by_column"),
            f"{name}_missing_row_correlation": _correlation(facts, name, "missing_by_row"),
            f"{name}_nearest_training_px": grid_sets.novelty(distances),
            f"{name}_coverage_ratio": grid_sets.coverage_ratio(to_samples, to_training),
        }
        measures |= {
            f"{name}_{key}": value
            for key, value in distribution_measures(train, grids, distances).items()
        }
    return measures | {"facts": facts}


def distribution_measures(
    train: dict[str, np.ndarray], grids: drawing.Grids, distances: np.ndarray
) -> dict[str, float]:
    """Kernel distance, precision, recall, density and coverage; neighbours across recordings only."""
    from lvae.metrics.generative import neighbourhood_measures

    within_real = grid_sets.aligned_distances(
        train["points"], train["visible"], train["points"], train["visible"]
    )
    within_drawn = grid_sets.aligned_distances(
        grids.points, grids.visible, grids.points, grids.visible
    )
    return {
        "kernel_distance": grid_sets.kernel_distance(
            within_real, within_drawn, distances.T, train["recording"]
        ),
        **neighbourhood_measures(within_real, within_drawn, distances.T, train["recording"]),
    }


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
