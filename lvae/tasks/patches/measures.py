"""Numbers about a patch VAE: how well its codes, and what it cannot rebuild, show the labels."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree, UInt8
from scipy import ndimage

from lvae.imaging.levels import from_levels
from lvae.metrics import clusters
from lvae.models.batching import in_batches
from lvae.models.gaussian import normal_kl
from lvae.models.patch_vae import PatchVAE
from lvae.tasks.patches.loss import decode, encode, network_of
from lvae.tasks.patches.settings import EvaluationSettings, Settings
from lvae.tasks.task import Numbers, Run, Split, Splits

Patches = UInt8[np.ndarray, "_ size size"]
SCORES = ("reconstruction", "elbo", "distance", "spot")
BRIGHTEST = 0.025  # share of a patch's pixels in the intensity baseline `bright_auroc`


class Scan(NamedTuple):
    """What a network says of patches.

    codes: (N, latents), mean codes. rebuilt: (N, size, size), their decoded pixels in [0, 1]. elbo:
    (N,), cross-entropy at the mean code plus divergence from N(0, I), nats.
    """

    codes: np.ndarray
    rebuilt: np.ndarray
    elbo: np.ndarray


@functools.partial(jax.jit, static_argnums=0)
def _scan(network: PatchVAE, params: PyTree, patches: Array) -> tuple[Array, Array, Array]:
    images = from_levels(patches)
    mean, log_variance = encode(network, params, images)
    logits = decode(network, params, mean).pixels
    errors = optax.sigmoid_binary_cross_entropy(logits, images).sum((1, 2))
    divergence = normal_kl(mean, log_variance).sum(1)
    return mean, jax.nn.sigmoid(logits), errors + divergence


def scan(settings: Settings, params: PyTree, patches: Patches) -> Scan:
    """A network over any number of patches."""
    function = functools.partial(_scan, network_of(settings), params)
    return Scan(*in_batches(function, patches, size=settings.evaluation.batch_size))


def spot_map(residual: np.ndarray, evaluation: EvaluationSettings) -> np.ndarray:
    """Mean of (patch - rebuilt) over spot x spot pixels around each pixel, of any leading axes.

    Averaged before its sign is dropped: noise cancels, a spot that was not foreseen stays. With
    `bright_only` what is darker than foreseen counts as nothing. Beyond the patch counts as zero.
    """
    sizes = (0,) * (residual.ndim - 2) + (evaluation.spot, evaluation.spot)
    mean = ndimage.uniform_filter(np.asarray(residual, np.float64), sizes, mode="constant")
    return np.maximum(mean, 0) if evaluation.bright_only else np.abs(mean)


def scores(
    patches: Patches, seen: Scan, evaluation: EvaluationSettings
) -> dict[str, Float[np.ndarray, " _"]]:
    """Anomaly scores of patches, the higher the more unusual: one array for each of SCORES."""
    residual = patches / 255.0 - seen.rebuilt
    return {
        "reconstruction": (residual**2).mean((1, 2)),
        "elbo": seen.elbo,
        "distance": (seen.codes**2).sum(1),
        "spot": spot_map(residual, evaluation).max((1, 2)),
    }


def evaluate(run: Run[Settings], splits: Splits, split: str, thorough: bool) -> Numbers:
    """AUROCs of codes and anomaly scores; thorough: with PCA, intensity and intervals by case."""
    settings, params = run.settings, run.variables["params"]
    train, held_out = splits["train"], splits[split]
    labels = held_out["label"]
    codes = scan(settings, params["all"], held_out["image"]).codes
    reference = scan(settings, params["all"], train["image"]).codes
    seen = scan(settings, params["healthy"], held_out["image"])
    anomaly = scores(held_out["image"], seen, settings.evaluation)
    curves = code_scores(reference, train["label"], codes, settings)
    curves["anomaly_auroc"] = anomaly[settings.evaluation.anomaly_score]
    if not thorough:
        return _aurocs(curves, labels)
    curves |= {f"anomaly_{name}_auroc": anomaly[name] for name in SCORES}
    curves |= baselines(settings, train, held_out)
    pca = pca_codes(settings, train["image"], held_out["image"], settings.seed)
    curves |= {
        f"pca_{name}": values
        for name, values in code_scores(pca[0], train["label"], pca[1], settings).items()
    }
    return {
        **_silhouettes({"silhouette": codes, "pca_silhouette": pca[1]}, held_out, settings),
        **_aurocs(curves, labels),
        **_intervals(curves, held_out, settings),
        "anomaly_score": settings.evaluation.anomaly_score,
        "latents": settings.model.latents,
        "labels_used": 2 * settings.loss.labels,
        "patches": len(labels),
        "cases": len(np.unique(held_out["case"])),
        "share_of_label_1": float(labels.mean()),
    }


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
    for name in _WITH_INTERVALS:
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


def baselines(settings: Settings, train: Split, held_out: Split) -> dict[str, np.ndarray]:
    """Anomaly scores without a network: intensity, and PCA of healthy patches.

    intensity: mean of the patch. bright: mean of its brightest pixels. pca_anomaly: mean squared
    error. pca_spot: the network's own local score, of what PCA leaves.
    """
    from sklearn.decomposition import PCA  # slow to import

    healthy = train["image"][train["label"] == 0]
    healthy = healthy.reshape(len(healthy), -1) / np.float32(255)
    patches = held_out["image"].reshape(len(held_out["image"]), -1) / np.float32(255)
    pca = PCA(_dimension(settings, train["image"]), random_state=0).fit(healthy)
    residual = patches - pca.inverse_transform(pca.transform(patches))
    brightest = max(1, round(BRIGHTEST * patches.shape[1]))
    spots = spot_map(residual.reshape(held_out["image"].shape), settings.evaluation)
    return {
        "intensity_auroc": patches.mean(1),
        "bright_auroc": np.sort(patches, axis=1)[:, -brightest:].mean(1),
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
