"""Numbers about a patch VAE: how well its codes, and what it cannot rebuild, show the labels."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from sklearn.decomposition import PCA

from lvae.metrics import clusters
from lvae.tasks.interface import Splits, Variables
from lvae.tasks.patches.settings import SCORES, EvaluationSettings, Settings

BRIGHTEST = 0.025  # share of a patch's pixels in the intensity baseline `bright_auroc`


class Scan(NamedTuple):
    """What a network says of patches.

    codes: (N, latents), mean codes. rebuilt: (N, size, size), their decoded pixels in [0, 1]. elbo:
    (N,), cross-entropy at the mean code plus divergence from N(0, I), nats.
    """

    codes: np.ndarray
    rebuilt: np.ndarray
    elbo: np.ndarray


def divergence(
    mean: Float[Array, "n latents"], log_variance: Float[Array, "n latents"]
) -> Float[Array, " n"]:
    """From the standard normal, nats (Kingma and Welling 2014, appendix B)."""
    return 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance).sum(1)


@functools.partial(jax.jit, static_argnums=0)
def _scan(network: Any, params: Any, patches: Array) -> tuple[Array, Array, Array]:
    images = patches.astype(jnp.float32) / 255.0
    mean, log_variance = network.apply({"params": params}, images, method="encode")
    logits = network.apply({"params": params}, mean, method="decode").pixels
    errors = optax.sigmoid_binary_cross_entropy(logits, images).sum((1, 2))
    return mean, jax.nn.sigmoid(logits), errors + divergence(mean, log_variance)


def scan(settings: Settings, params: Any, patches: np.ndarray) -> Scan:
    """A network over any number of uint8 patches, in batches of one size (one compilation)."""
    size = settings.evaluation.batch_size
    parts = []
    for first in range(0, len(patches), size):
        batch = patches[first : first + size]
        filled = np.concatenate([batch, np.zeros((size - len(batch), *batch.shape[1:]), np.uint8)])
        outputs = _scan(settings.network, params, filled)
        parts.append([np.asarray(output)[: len(batch)] for output in outputs])
    return Scan(*(np.concatenate(columns) for columns in zip(*parts)))


def spot_map(residual: np.ndarray, evaluation: EvaluationSettings) -> np.ndarray:
    """Mean of (patch - rebuilt) over spot x spot pixels around each pixel, of any leading axes.

    Averaged before its sign is dropped: noise cancels, a spot that was not foreseen stays. With
    `bright_only` what is darker than foreseen counts as nothing.
    """
    mean = residual
    for axis in (-2, -1):
        mean = _running_mean(mean, evaluation.spot, axis)
    return np.maximum(mean, 0) if evaluation.bright_only else np.abs(mean)


def _running_mean(array: np.ndarray, width: int, axis: int) -> np.ndarray:
    """Mean over `width` places centred on each one; those beyond the ends count as zero."""
    array = np.moveaxis(array, axis, -1)
    before = (width - 1) // 2
    pad = [(0, 0)] * (array.ndim - 1) + [(before + 1, width - 1 - before)]
    total = np.cumsum(np.pad(array, pad), axis=-1, dtype=np.float64)
    return np.moveaxis((total[..., width:] - total[..., :-width]) / width, -1, axis)


def scores(patches: np.ndarray, seen: Scan, evaluation: EvaluationSettings) -> dict[str, Any]:
    """Anomaly scores of patches, the higher the more unusual: one array for each of SCORES."""
    residual = patches / 255.0 - seen.rebuilt
    return {
        "reconstruction": (residual**2).mean((1, 2)),
        "elbo": seen.elbo,
        "distance": (seen.codes**2).sum(1),
        "spot": spot_map(residual, evaluation).max((1, 2)),
    }


def evaluate(
    settings: Settings, variables: Variables, splits: Splits, seed: int, *, thorough: bool
) -> dict[str, Any]:
    """Each measure by name; thorough: on test cases, with PCA, intensity and intervals by case."""
    train, held_out = splits["train"], splits["test" if thorough else "validation"]
    labels = held_out["label"]
    params = variables["params"]
    codes = scan(settings, params["all"], held_out["image"]).codes
    reference = scan(settings, params["all"], train["image"]).codes
    seen = scan(settings, params["healthy"], held_out["image"])
    anomaly = scores(held_out["image"], seen, settings.evaluation)
    curves = code_scores(reference, train["label"], codes, settings)
    curves["anomaly_auroc"] = anomaly[settings.evaluation.anomaly_score]
    if not thorough:
        return _with_aurocs({}, curves, labels)
    curves |= {f"anomaly_{name}_auroc": anomaly[name] for name in SCORES}
    curves |= baselines(settings, train, held_out)
    pca = pca_codes(settings, train["image"], held_out["image"], seed)
    curves |= {
        f"pca_{name}": values
        for name, values in code_scores(pca[0], train["label"], pca[1], settings).items()
    }
    result: dict[str, Any] = {
        "silhouette": clusters.silhouette(codes, labels, seed),
        "pca_silhouette": clusters.silhouette(pca[1], labels, seed),
    }
    result = _with_aurocs(result, curves, labels)
    for name in ("knn_auroc", "probe_auroc", "anomaly_auroc", "pca_knn_auroc"):
        measure = functools.partial(_resampled, labels, curves[name])
        result[f"{name}_interval"] = _interval(measure, held_out["case"], settings, seed)
    for name, points in (("silhouette", codes), ("pca_silhouette", pca[1])):
        result[f"{name}_interval"] = _interval(
            lambda chosen, points=points: clusters.silhouette(
                points[chosen], labels[chosen], 0, 500
            ),
            held_out["case"],
            settings,
            seed,
        )
    for name in ("intensity_auroc", "pca_anomaly_auroc"):
        measure = functools.partial(_resampled, labels, curves[name])
        result[f"{name}_interval"] = _interval(measure, held_out["case"], settings, seed)
    result |= {
        "anomaly_score": settings.evaluation.anomaly_score,
        "latents": settings.model.latents,
        "labels_used": 2 * settings.loss.labels,
        "test_patches": len(labels),
        "test_cases": len(np.unique(held_out["case"])),
        "test_share_of_label_1": float(labels.mean()),
    }
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
    settings: Settings, train: np.ndarray, held_out: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """PCA of the codes' dimension, fitted to the training patches: codes of both."""
    flat = [patches.reshape(len(patches), -1) / np.float32(255) for patches in (train, held_out)]
    pca = PCA(_dimension(settings, train), random_state=seed).fit(flat[0])
    return pca.transform(flat[0]), pca.transform(flat[1])


def _dimension(settings: Settings, train: np.ndarray) -> int:
    return min(settings.model.latents, len(train), train[0].size)


def baselines(
    settings: Settings, train: dict[str, np.ndarray], held_out: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Anomaly scores without a network: intensity, and PCA of healthy patches.

    intensity: mean of the patch. bright: mean of its brightest pixels. pca_anomaly: mean squared
    error. pca_spot: the network's own local score, of what PCA leaves.
    """
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


def _with_aurocs(
    result: dict[str, Any], curves: dict[str, np.ndarray], labels: np.ndarray
) -> dict[str, Any]:
    return result | {name: clusters.auroc(labels, values) for name, values in curves.items()}


def _resampled(labels: np.ndarray, values: np.ndarray, chosen: np.ndarray) -> float:
    return clusters.auroc(labels[chosen], values[chosen])


def _interval(
    measure: Callable[[np.ndarray], float], cases: np.ndarray, settings: Settings, seed: int
) -> list[float]:
    return list(clusters.bootstrap(measure, cases, settings.evaluation.bootstrap_draws, seed))
