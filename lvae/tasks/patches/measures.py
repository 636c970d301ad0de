"""Numbers about a patch VAE: how well its codes, and what it cannot rebuild, show the labels."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy import ndimage

from lvae.metrics import clusters
from lvae.tasks.patches.examining import Examined, code, examine
from lvae.tasks.patches.settings import EvaluationSettings, LesionDataSettings, Settings
from lvae.tasks.patches.volume_measures import volume_numbers
from lvae.tasks.task import Numbers, Run, Split, Splits

Patches = UInt8[np.ndarray, "_ size size"]
SCORES = ("reconstruction", "elbo", "distance", "spot", "finder")
BRIGHTEST = 0.025  # share of a patch's pixels in the intensity baseline `bright_auroc`


def spot_map(residual: np.ndarray, evaluation: EvaluationSettings) -> np.ndarray:
    """Mean of (patch - rebuilt) over spot x spot pixels around each pixel, of any leading axes.

    Averaged before its sign is dropped: noise cancels, a spot that was not foreseen stays. With
    `bright_only` what is darker than foreseen counts as nothing. Beyond the patch counts as zero.
    """
    sizes = (0,) * (residual.ndim - 2) + (evaluation.spot, evaluation.spot)
    mean = ndimage.uniform_filter(np.asarray(residual, np.float64), sizes, mode="constant")
    return np.maximum(mean, 0) if evaluation.bright_only else np.abs(mean)


def scores(
    patches: Patches, seen: Examined, evaluation: EvaluationSettings
) -> dict[str, Float[np.ndarray, " _"]]:
    """Anomaly scores of patches, the higher the more unusual: one array for each of SCORES."""
    return {
        "reconstruction": ((patches / 255.0 - seen.rebuilt) ** 2).mean((1, 2)),
        "elbo": seen.elbo,
        "distance": (seen.codes**2).sum(1),
        "spot": spot_map(seen.residual, evaluation).max((1, 2)),
        "finder": seen.odds.max((1, 2)),
    }


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> Numbers:
    """AUROCs of codes and anomaly scores; thorough: with PCA, intensity, intervals by case, and of
    scans the scores of whole volumes.

    Without a training split, as of --data, what needs one is left out: neighbours, probe, PCA.
    """
    settings, params = run.settings, run.variables["params"]
    held_out = splits[split]
    labels = held_out["label"]
    codes = code(settings, params["all"], held_out["image"]).codes
    anomaly = scores(held_out["image"], examine(settings, params, held_out), settings.evaluation)
    curves = {"anomaly_auroc": anomaly[settings.evaluation.anomaly_score]}
    silhouettes = {"silhouette": codes}
    if "train" in splits:
        train = splits["train"]
        reference = code(settings, params["all"], train["image"]).codes
        curves |= code_scores(reference, train["label"], codes, settings)
    if not thorough:
        return _aurocs(curves, labels)
    curves |= {f"anomaly_{name}_auroc": anomaly[name] for name in _scores_of(settings)}
    curves |= intensities(held_out)
    if "train" in splits:
        curves |= baselines(settings, train, held_out)
        pca = pca_codes(settings, train["image"], held_out["image"], settings.seed)
        of_pca = code_scores(pca[0], train["label"], pca[1], settings)
        curves |= {f"pca_{name}": values for name, values in of_pca.items()}
        silhouettes["pca_silhouette"] = pca[1]
    volumes: Numbers = {}
    if isinstance(settings.data, LesionDataSettings):
        volumes = volume_numbers(settings, params, split)
    return {
        **_silhouettes(silhouettes, held_out, settings),
        **_aurocs(curves, labels),
        **_intervals(curves, held_out, settings),
        **volumes,
        "anomaly_score": settings.evaluation.anomaly_score,
        "latents": settings.model.latents,
        "labels_used": 2 * settings.loss.labels,
        "patches": len(labels),
        "cases": len(np.unique(held_out["case"])),
        "share_of_label_1": float(labels.mean()),
    }


def _scores_of(settings: Settings) -> tuple[str, ...]:
    """Digits have no finder."""
    return SCORES if isinstance(settings.data, LesionDataSettings) else SCORES[:-1]


def _silhouettes(
    codes: dict[str, np.ndarray], held_out: Split, settings: Settings
) -> dict[str, Any]:
    """Silhouettes by label with their intervals."""
    labels, seed = held_out["label"], settings.seed
    result: dict[str, Any] = {}
    for name, points in codes.items():
        result[name] = clusters.silhouette(points, labels, seed)
        result[f"{name}_interval"] = _interval(
            lambda chosen, points=points: clusters.silhouette(
                points[chosen], labels[chosen], 0, 500
            ),
            held_out["case"],
            settings,
        )
    return result


_WITH_INTERVALS = (
    "knn_auroc",
    "probe_auroc",
    "anomaly_auroc",
    "pca_knn_auroc",
    "intensity_auroc",
    "pca_anomaly_auroc",
)


def _intervals(
    curves: dict[str, np.ndarray], held_out: Split, settings: Settings
) -> dict[str, list[float]]:
    result = {}
    for name in [name for name in _WITH_INTERVALS if name in curves]:
        measure = functools.partial(_resampled, held_out["label"], curves[name])
        result[f"{name}_interval"] = _interval(measure, held_out["case"], settings)
    return result


def code_scores(
    reference: np.ndarray, reference_labels: np.ndarray, codes: np.ndarray, settings: Settings
) -> dict[str, np.ndarray]:
    """Scores of codes by training codes near them, and by a linear probe on those."""
    neighbours = settings.evaluation.neighbours
    return {
        "knn_auroc": clusters.knn_scores(reference, reference_labels, codes, neighbours),
        "probe_auroc": clusters.probe_scores(reference, reference_labels, codes),
    }


def pca_codes(
    settings: Settings, train: Patches, held_out: Patches, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """PCA of the codes' dimension, fitted to the training patches: codes of both."""
    from sklearn.decomposition import PCA  # slow to import

    flat = [patches.reshape(len(patches), -1) / np.float32(255) for patches in (train, held_out)]
    pca = PCA(_dimension(settings, train), random_state=seed).fit(flat[0])
    return pca.transform(flat[0]), pca.transform(flat[1])


def _dimension(settings: Settings, train: np.ndarray) -> int:
    return min(settings.model.latents, len(train), train[0].size)


def intensities(held_out: Split) -> dict[str, np.ndarray]:
    """Anomaly scores without training. intensity: mean of the patch. bright: mean of its brightest
    pixels."""
    patches = held_out["image"].reshape(len(held_out["image"]), -1) / np.float32(255)
    brightest = max(1, round(BRIGHTEST * patches.shape[1]))
    return {
        "intensity_auroc": patches.mean(1),
        "bright_auroc": np.sort(patches, axis=1)[:, -brightest:].mean(1),
    }


def baselines(settings: Settings, train: Split, held_out: Split) -> dict[str, np.ndarray]:
    """Anomaly scores of PCA of healthy patches.

    pca_anomaly: mean squared error. pca_spot: the network's own local score, of what PCA leaves.
    """
    from sklearn.decomposition import PCA  # slow to import

    healthy = train["image"][train["label"] == 0]
    healthy = healthy.reshape(len(healthy), -1) / np.float32(255)
    patches = held_out["image"].reshape(len(held_out["image"]), -1) / np.float32(255)
    pca = PCA(_dimension(settings, train["image"]), random_state=0).fit(healthy)
    residual = patches - pca.inverse_transform(pca.transform(patches))
    spots = spot_map(residual.reshape(held_out["image"].shape), settings.evaluation)
    return {
        "pca_anomaly_auroc": (residual**2).mean(1),
        "pca_spot_auroc": spots.max((1, 2)),
    }


def _aurocs(curves: dict[str, np.ndarray], labels: Int[np.ndarray, " n"]) -> dict[str, float]:
    return {name: clusters.auroc(labels, values) for name, values in curves.items()}


def _resampled(labels: np.ndarray, values: np.ndarray, chosen: np.ndarray) -> float:
    return clusters.auroc(labels[chosen], values[chosen])


def _interval(
    measure: Callable[[np.ndarray], float], cases: np.ndarray, settings: Settings
) -> list[float]:
    draws = settings.evaluation.bootstrap_draws
    return list(clusters.bootstrap(measure, cases, draws, settings.seed))
