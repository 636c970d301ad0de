"""Can a classifier tell drawn examples from real ones?

The classifier two-sample test (Lopez-Paz and Oquab, 2017 [lopezpaz2017]) with a random forest, and
with whole groups (recordings, subjects) held out: on frames of a recording that it has seen, a
classifier is right by memory.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lvae.metrics.grouped_auroc import Estimate, concordance

Features = Float[np.ndarray, "n numbers"]


class TwoSample(NamedTuple):
    """auroc: mean over folds of the chance that a drawn example scores above a real one, with an
    interval over the folds: 0.5 cannot be told apart, 1 always. real_scores, drawn_scores: share of
    trees that call the example drawn, by a forest that saw nothing of its fold. importance: of
    every feature, mean over the folds; they add to 1. by_fold: the AUROC of each fold. real_fold:
    which fold a real example was held out in."""

    auroc: Estimate
    real_scores: Float[np.ndarray, " n"]
    drawn_scores: Float[np.ndarray, " m"]
    importance: Float[np.ndarray, " numbers"]
    by_fold: Float[np.ndarray, " folds"]
    real_fold: Int[np.ndarray, " n"]


def two_sample_auroc(
    real: Features,
    drawn: Float[np.ndarray, "m _"],
    real_groups: np.ndarray,
    drawn_groups: np.ndarray | None = None,
    trees: int = 100,
    most_drawn: int = 2,
    most_folds: int = 20,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    workers: int = 1,
    twins: bool = False,
) -> TwoSample:
    """AUROC of a random forest that tells drawn from real, one real group held out at a time.

    Each fold holds out one real group (of more than `most_folds`, an equal part of them) and an
    equal part of the drawn groups. The forest learns from all others; both classes weigh the same,
    and all groups within a class. The AUROC is taken within folds, since scores of different
    forests do not compare, and averaged over them. It is 0.5 in expectation if the groups of both
    kinds come from one distribution.

    Args:
      real, drawn: features of the examples, a row each.
      real_groups: of every real row: recording or subject.
      drawn_groups: of every drawn row: the recording that was simulated, the frame that was varied;
        None: each row is its own group, for independent draws only. Near-copies in several folds
        are recognised (60 simulated recordings: 0.94 without their groups, 0.79 with them).
      trees: of each forest.
      most_drawn: drawn rows to learn from, per real row to learn from; of more, a random part.
      draws, level: bootstrap samples of folds for the interval, and their share inside it.
      most_folds: forests at most.
      seed: of the folds, the forests and the bootstrap.
      workers: threads of the forest; results do not depend on it.
      twins: drawn groups are versions of the real ones of their names; see `folds`.

    Raises:
      ValueError: other numbers of features or labels; fewer than two real groups or fewer drawn
        groups than real ones; a value that is not finite.
    """
    real_groups = np.asarray(real_groups)
    drawn_groups = np.arange(len(drawn)) if drawn_groups is None else np.asarray(drawn_groups)
    real_fold, drawn_fold = folds(real_groups, drawn_groups, seed, most_folds, twins)
    _check(real, drawn, real_fold, drawn_fold)
    real_scores, drawn_scores = np.empty(len(real)), np.empty(len(drawn))
    importance = np.zeros(real.shape[1])
    per_fold = []
    for fold in range(int(real_fold.max()) + 1):
        held, others = real_fold == fold, drawn_fold == fold
        rows, groups = (real[~held], drawn[~others]), (real_groups[~held], drawn_groups[~others])
        random = np.random.default_rng([seed, 1, fold])
        forest = _fit(rows, groups, trees, most_drawn, workers, random)
        real_scores[held] = forest.predict_proba(real[held])[:, 1]
        drawn_scores[others] = forest.predict_proba(drawn[others])[:, 1]
        parts = drawn_scores[others], real_scores[held], drawn_groups[others], real_groups[held]
        per_fold.append(concordance(*parts).chance.mean())
        importance += forest.feature_importances_
    by_fold, importance = np.array(per_fold), importance / len(per_fold)
    auroc = _interval(by_fold, draws, seed, level)
    return TwoSample(auroc, real_scores, drawn_scores, importance, by_fold, real_fold)


def _fit(
    rows: tuple[np.ndarray, np.ndarray],
    groups: tuple[np.ndarray, np.ndarray],
    trees: int,
    most_drawn: int,
    workers: int,
    random: np.random.Generator,
) -> Any:
    """A forest that tells the second of `rows` (label 1, drawn) from the first (real)."""
    from sklearn.ensemble import RandomForestClassifier  # slow to import

    count = len(rows[0])
    chosen = np.sort(random.permutation(len(rows[1]))[: most_drawn * count])
    forest = RandomForestClassifier(trees, n_jobs=workers, random_state=int(random.integers(2**31)))
    return forest.fit(
        np.concatenate([rows[0], rows[1][chosen]]).astype(np.float32),
        np.repeat([0, 1], [count, len(chosen)]),
        np.concatenate([_weights(groups[0]), _weights(groups[1][chosen])]),
    )


def auroc_against_itself(
    real: Features,
    real_groups: np.ndarray,
    splits: int = 40,
    trees: int = 30,
    seed: int = 0,
    workers: int = 1,
) -> Estimate:
    """The control of `two_sample_auroc`: one half of the real groups called drawn, the mean over
    random halves, with the percentiles of single halves as the interval; 0.5 in expectation.

    The interval says how far from 0.5 so few groups bring an AUROC where nothing is to be found.

    Raises:
      ValueError: fewer than four groups.
    """
    names = np.unique(real_groups)
    if len(names) < 4:
        raise ValueError(f"{len(names)} groups: two halves of at least two are needed")
    values = []
    for split in range(splits):
        order = np.random.default_rng([seed, 3, split]).permutation(names)
        first = np.isin(real_groups, order[: len(names) // 2])
        result = two_sample_auroc(
            *(real[first], real[~first], real_groups[first], real_groups[~first]),
            trees=trees,
            draws=1,
            seed=seed + split,
            workers=workers,
        )
        values.append(result.auroc.value)
    return Estimate(float(np.mean(values)), *map(float, np.percentile(values, [2.5, 97.5])))


def folds(
    real_groups: np.ndarray,
    drawn_groups: np.ndarray,
    seed: int,
    most: int = 20,
    twins: bool = False,
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
    """The fold of every row: one per real group, or `most`; groups are dealt out at random, in turn.

    twins: groups of one name go into one fold. Else a forest that has learned one version of a recording
    as real calls the other real, and versions that nobody can tell apart get an AUROC below 0.5.

    Raises:
      ValueError: fewer than two real groups or folds, or fewer drawn groups than folds; twins with
        other names.
    """
    names, real_index = np.unique(real_groups, return_inverse=True)
    drawn_names, drawn_index = np.unique(drawn_groups, return_inverse=True)
    count = min(len(names), most)
    if not 2 <= count <= len(drawn_names):
        raise ValueError(
            f"{len(names)} real and {len(drawn_names)} drawn groups in {count} folds: needed are two "
            "folds and as many groups of each kind as folds"
        )
    if twins and not np.array_equal(names, drawn_names):
        raise ValueError("twins: real and drawn groups have other names")
    orders = (
        np.random.default_rng([seed, 0, 0 if twins else kind]).permutation(len(group_names))
        for kind, group_names in enumerate((names, drawn_names))
    )
    real_order, drawn_order = orders
    return (real_order % count)[real_index], (drawn_order % count)[drawn_index]


def _weights(groups: np.ndarray) -> Float[np.ndarray, " n"]:
    """Of rows, so that each group weighs the same and all together 1."""
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return 1 / (len(sizes) * sizes[index])


def _interval(values: Float[np.ndarray, " folds"], draws: int, seed: int, level: float) -> Estimate:
    random = np.random.default_rng([seed, 2])
    drawn = values[random.integers(0, len(values), (draws, len(values)))].mean(1)
    low, high = np.percentile(drawn, [50 * (1 - level), 50 * (1 + level)])
    return Estimate(float(values.mean()), float(low), float(high))


def _check(
    real: np.ndarray, drawn: np.ndarray, real_fold: np.ndarray, drawn_fold: np.ndarray
) -> None:
    if real.ndim != 2 or drawn.ndim != 2 or real.shape[1] != drawn.shape[1]:
        raise ValueError(f"features {real.shape} and {drawn.shape}: expected (n, d) and (m, d)")
    if len(real) != len(real_fold) or len(drawn) != len(drawn_fold):
        raise ValueError(
            f"{len(real_fold)} and {len(drawn_fold)} group labels for {len(real)} and {len(drawn)} rows"
        )
    if not (np.isfinite(real).all() and np.isfinite(drawn).all()):
        raise ValueError("a feature is not finite; a forest cannot place it")
