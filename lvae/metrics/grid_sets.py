"""How one set of grids lies to another: distances with translation removed, novelty, coverage, MMD."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.distance import cdist

_CHUNK = 2**24  # numbers held at once in a distance computation: 64 MiB of float32


def aligned_distances(
    points: Float[np.ndarray, "first rows columns 2"],
    visible: Bool[np.ndarray, "first rows columns"],
    other_points: Float[np.ndarray, "second rows columns 2"],
    other_visible: Bool[np.ndarray, "second rows columns"],
) -> Float[np.ndarray, "first second"]:
    """Mean Euclidean distance, px, over the points that both grids have, after the translation that
    makes their means over these points equal. Infinite where they share no point."""
    first = points.reshape(len(points), -1, 2).astype(np.float32)
    second = other_points.reshape(len(other_points), -1, 2).astype(np.float32)
    seen = visible.reshape(len(points), -1)
    other_seen = other_visible.reshape(len(other_points), -1)
    distances = np.empty((len(first), len(second)), np.float32)
    rows = max(1, _CHUNK // max(1, 2 * second.size))
    for start in range(0, len(first), rows):
        part = slice(start, start + rows)
        both = (seen[part, None] & other_seen[None]).astype(np.float32)
        count = both.sum(axis=2)
        difference = (first[part, None] - second[None]) * both[..., None]
        mean = difference.sum(axis=2) / np.maximum(count, 1)[..., None]
        length = np.sqrt(np.sum((difference - mean[:, :, None]) ** 2, axis=-1)) * both
        distances[part] = np.where(count > 0, length.sum(axis=2) / np.maximum(count, 1), np.inf)
    return distances


def reconstruction_errors(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
    decoded: Float[np.ndarray, "frames rows columns 2"],
) -> Float[np.ndarray, " points"]:
    """Euclidean distance of every visible point to where it was decoded, px."""
    return np.linalg.norm(decoded - points, axis=-1)[visible]


def visibility_scores(
    visible: Bool[np.ndarray, "*frames"], predicted: Bool[np.ndarray, "*frames"]
) -> dict[str, float]:
    """Precision, recall and F1 of the missing points; 0 where nothing is missing or called so."""
    right = float(np.sum(~visible & ~predicted))
    called, missing = float(np.sum(~predicted)), float(np.sum(~visible))
    return {
        "missing_precision": right / called if called else 0.0,
        "missing_recall": right / missing if missing else 0.0,
        "missing_f1": 2 * right / (called + missing) if called + missing else 0.0,
    }


def novelty(distances: Float[np.ndarray, "samples training"]) -> float:
    """Median distance of a sample to the nearest training frame."""
    return float(np.median(distances.min(axis=1)))


def coverage_ratio(
    to_samples: Float[np.ndarray, "held_out samples"],
    to_training: Float[np.ndarray, "held_out training"],
) -> float:
    """Median distance of a held-out frame to the nearest sample, over that to the nearest training
    frame: below 1, the samples reach where training did not."""
    return float(np.median(to_samples.min(axis=1)) / np.median(to_training.min(axis=1)))


def features(
    filled: Float[np.ndarray, "grids rows columns 2"],
) -> Float[np.ndarray, "grids numbers"]:
    """Grids as vectors, translation removed, whose Euclidean distance is the root mean square
    distance of their points, px; every point needs a place."""
    centred = filled - filled.mean(axis=(1, 2), keepdims=True)
    return centred.reshape(len(filled), -1) / np.sqrt(filled.shape[1] * filled.shape[2])


def kernel_distance(
    real: Float[np.ndarray, "real numbers"],
    samples: Float[np.ndarray, "samples numbers"],
    recording: Int[np.ndarray, " real"],
) -> float:
    """Squared maximum mean discrepancy between real frames and samples ([gretton2012]).

    The kernel is exp(-(d / m)^2 / 2), m the median distance between frames of different recordings.
    Pairs of frames of one recording, which are near-copies, are left out: the recordings are the
    units. NaN with a single recording.
    """
    apart = recording[:, None] != recording[None, :]
    if not apart.any():
        return float("nan")
    within_real = cdist(real, real)
    width = np.median(within_real[apart])

    def kernel(distances):
        return np.exp(-0.5 * (distances / width) ** 2)

    others = ~np.eye(len(samples), dtype=bool)
    return float(
        kernel(within_real)[apart].mean()
        + kernel(cdist(samples, samples))[others].mean()
        - 2 * kernel(cdist(real, samples)).mean()
    )
