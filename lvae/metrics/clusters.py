"""How well codes and scores separate two kinds of examples, with intervals over cases."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

Labels = Int[np.ndarray, " n"]


def auroc(labels: Labels, scores: Float[np.ndarray, " n"]) -> float:
    """Chance that an example of label 1 scores above one of label 0; NaN without both kinds."""
    from sklearn.metrics import roc_auc_score  # slow to import

    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(roc_auc_score(labels, scores))


def knn_scores(
    reference: Float[np.ndarray, "m dimension"],
    reference_labels: Int[np.ndarray, " m"],
    codes: Float[np.ndarray, "n dimension"],
    neighbours: int,
) -> Float[np.ndarray, " n"]:
    """Share of label 1 among the nearest reference codes, nearer ones counting more.

    Weights are 1 / (distance + the mean distance of these neighbours), so that one code that
    coincides with a reference does not decide alone.
    """
    from sklearn.neighbors import NearestNeighbors  # slow to import

    count = min(neighbours, len(reference))
    distances, places = NearestNeighbors(n_neighbors=count).fit(reference).kneighbors(codes)
    typical = distances.mean(axis=1, keepdims=True)
    weights = 1 / (distances + np.maximum(typical, 1e-12))
    return (weights * reference_labels[places]).sum(1) / weights.sum(1)


def probe_scores(
    reference: Float[np.ndarray, "m dimension"],
    reference_labels: Int[np.ndarray, " m"],
    codes: Float[np.ndarray, "n dimension"],
) -> Float[np.ndarray, " n"]:
    """Log odds of a linear probe: logistic regression on standardised codes, kinds balanced."""
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.pipeline import make_pipeline  # slow to import
    from sklearn.preprocessing import StandardScaler  # slow to import

    probe = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
    )
    return probe.fit(reference, reference_labels).decision_function(codes)


def silhouette(
    codes: Float[np.ndarray, "n dimension"], labels: Labels, seed: int = 0, most: int = 3000
) -> float:
    """Mean silhouette ([rousseeuw1987]) of the labels' two groups, on at most `most` examples drawn
    by `seed`.

    NaN where fewer than two groups are there.
    """
    from sklearn.metrics import silhouette_score  # slow to import

    if len(codes) > most:
        chosen = np.random.default_rng(seed).permutation(len(codes))[:most]
        codes, labels = codes[chosen], labels[chosen]
    groups = len(np.unique(labels))
    if groups < 2 or groups >= len(codes):
        return float("nan")
    return float(silhouette_score(codes, labels))


def bootstrap(
    measure: Callable[[np.ndarray], float],
    cases: Int[np.ndarray, " n"],
    draws: int,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap interval ([efron1979]) of a measure: cases, not examples, are drawn with
    replacement.

    Patches of a case are alike, so that an interval over patches would be too narrow.

    Args:
      measure: of an index array into the examples; draws where it is NaN are left out.
      cases: of each example.
      draws: number of resamplings.
      seed: of the draws.
      level: share of the draws inside.

    Returns:
      (low, high) percentiles; NaN where no draw had a value.
    """
    random = np.random.default_rng(seed)
    names, inverse = np.unique(cases, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
    values = []
    for _ in range(draws):
        drawn = random.integers(0, len(names), len(names))
        values.append(measure(np.concatenate([members[case] for case in drawn])))
    finite = [value for value in values if np.isfinite(value)]
    if not finite:
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def embedding(
    codes: Float[np.ndarray, "n dimension"], seed: int = 0, perplexity: float = 30.0
) -> Float[np.ndarray, "n 2"]:
    """A picture's coordinates of codes: themselves if there are two, their t-SNE
    ([maaten2008]) if more.

    Distances between far groups mean nothing in a t-SNE; only what is next to what does.
    """
    if codes.shape[1] == 2:
        return codes
    if codes.shape[1] == 1:
        return np.concatenate([codes, np.zeros_like(codes)], axis=1)
    return t_sne(codes, seed, perplexity)


def t_sne(
    codes: Float[np.ndarray, "n dimension"], seed: int = 0, perplexity: float = 30.0
) -> Float[np.ndarray, "n 2"]:
    """The t-SNE of codes ([maaten2008]), started from the principal directions if there are two."""
    from sklearn.manifold import TSNE  # a second to import, and only pictures need it

    nearest = min(perplexity, (len(codes) - 1) / 3)
    start = "pca" if codes.shape[1] > 1 else "random"
    return TSNE(2, perplexity=nearest, init=start, random_state=seed).fit_transform(codes)
