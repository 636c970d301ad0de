"""The numbers of one set, and of the model: each test with its interval, chance and power."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from lvae.metrics import generative, memorised, near_copies, privacy
from lvae.metrics.power import smallest_auroc
from lvae.metrics.two_sample import two_sample_auroc
from lvae.runs.audit.material import ComparedSet, Material, Real, taken

ALPHA = 0.05  # chance of a false alarm of each test
TREES = 40
FOLDS = 8  # forests, at most
TOLD_APART = 400  # drawn examples that the forests see
MOST_GROUPS = 200  # on either side of a membership test; a random choice of more
NEIGHBOURS = 5  # that balls of coverage reach to

Row = dict[str, Any]
Vectors = Float[np.ndarray, "n numbers"]


def of_set(known: Material, compared: ComparedSet, seed: int) -> Row:
    """Everything that is measured of a set against training and held-out examples."""
    auditor, run, train, held_out = known.auditor, known.run, known.train, known.held_out
    to_train = auditor.distances(run, compared.examples, train.examples)
    to_held_out = auditor.distances(run, compared.examples, held_out.examples)
    if compared.held_out:
        same = held_out.groups[:, None] == held_out.groups[None]
        to_held_out = np.where(same, np.inf, to_held_out)
    nearest, vectors = to_train.min(1), auditor.vectors(run, compared.examples)
    copying = privacy.copying(nearest, known.baseline, held_out.groups, fewest=1, seed=seed)
    row = {
        "examples": len(nearest),
        "nearest_training": _percentiles(nearest),
        "nearest_held_out": _percentiles(to_held_out.min(1)),
        "memorised": memorised.memorised_share(
            to_train, to_held_out, train.groups, held_out.groups, seed=seed
        )._asdict(),
        "near_copies": near_copies.near_copies(to_train, known.limits).share._asdict(),
        "farther_than_held_out": copying.chance._asdict()
        | {"p_value": _t_p_value(copying.by_group, held_out), "c_t": copying.statistic},
        "membership": _against_set(known, vectors, seed),
        "told_apart": _told_apart(known, compared, seed),
        "coverage": _coverage(known, vectors, compared.groups),
    }
    if len(np.unique(train.groups)) > 1:
        authentic = privacy.authenticity(to_train, known.within, train.groups, seed=seed)
        row["authentic"] = authentic.share._asdict()
    return row


def of_model(known: Material, seed: int) -> dict[str, Row]:
    """Membership inference by what the model says of an example, score by score. scores: the mean of
    every group, training and held-out."""
    result = {}
    train, held_out = (
        _some_groups(part, seed, kind) for kind, part in enumerate((known.train, known.held_out))
    )
    seen = known.auditor.scores(known.run, train.examples)
    unseen = known.auditor.scores(known.run, held_out.examples)
    for name in seen:
        found = privacy.membership(
            *(np.asarray(seen[name], float), np.asarray(unseen[name], float)),
            *(train.groups, held_out.groups),
            seed=seed,
        )
        result[name] = _membership(found) | {
            "training_scores": _by_group(seen[name], train.groups),
            "held_out_scores": _by_group(unseen[name], held_out.groups),
        }
    return result


def power(known: Material) -> dict[str, float]:
    """The smallest leaks that so many groups could show four times out of five at a level of 5 %.

    auroc: of a membership test. p_value: the smallest that there is, 1 over the number of ways to
    name as many groups "training"; above 0.05 no such test can find anything.
    """
    groups = len(np.unique(known.train.groups)), len(np.unique(known.held_out.groups))
    few, total = min(groups), sum(groups)
    return {"auroc": smallest_auroc(*groups), "p_value": 1 / math.comb(total, few)}


def _percentiles(distances: np.ndarray) -> dict[str, float]:
    finite = distances[np.isfinite(distances)]
    if not len(finite):
        return {}
    values = np.percentile(finite, [0, 1, 5, 50, 95])
    return dict(zip(("least", "p1", "p5", "p50", "p95"), map(float, values)))


def _t_p_value(value: float, held_out: Real) -> float:
    """Of copying, one-sided: chance of a t value as low."""
    groups = len(np.unique(held_out.groups))
    return float(stats.t.cdf(value, groups - 1)) if groups > 1 else float("nan")


def _against_set(known: Material, drawn: Vectors, seed: int) -> Row:
    train, held_out = (
        _some_groups(part, seed, kind) for kind, part in enumerate((known.train, known.held_out))
    )
    real, groups = np.concatenate([train.vectors, held_out.vectors]), _groups(train, held_out)
    scores = privacy.density_ratio_scores(real, groups, drawn, real, groups)
    border = len(train.groups)
    found = privacy.membership(
        scores[:border], scores[border:], train.groups, held_out.groups, seed=seed
    )
    return _membership(found)


def _membership(found: privacy.Membership) -> Row:
    return found.auroc._asdict() | {"p_value": found.p_value, "smallest": found.smallest}


def _told_apart(known: Material, compared: ComparedSet, seed: int) -> Row | None:
    """None where there are too few groups to hold some out."""
    if compared.held_out:
        return None
    train, held_out = known.train, known.held_out
    real, groups = np.concatenate([train.texture, held_out.texture]), _groups(train, held_out)
    count = len(next(iter(compared.examples.values())))
    rows = np.linspace(0, count - 1, min(count, TOLD_APART)).astype(int)
    drawn = known.auditor.texture(known.run, taken(compared.examples, rows))
    drawn_groups = None if compared.groups is None else compared.groups[rows]
    try:
        found = two_sample_auroc(
            *(real, drawn, groups, drawn_groups),
            trees=TREES,
            most_folds=FOLDS,
            seed=seed,
            workers=2,
        )
    except ValueError:
        return None
    return found.auroc._asdict()


def _coverage(known: Material, drawn: Vectors, drawn_groups: np.ndarray | None) -> Row | None:
    """Of all real examples; None where there are too few neighbours of other groups."""
    train, held_out = known.train, known.held_out
    real, groups = np.concatenate([train.vectors, held_out.vectors]), _groups(train, held_out)
    try:
        found = generative.compare(real, drawn, NEIGHBOURS, groups, drawn_groups)
    except ValueError:
        return None
    return {name: float(value) for name, value in found._asdict().items()}


def _groups(train: Real, held_out: Real) -> np.ndarray:
    """Whose the examples of both are, training first."""
    return np.concatenate([train.groups, held_out.groups + 1 + train.groups.max()])


def _some_groups(real: Real, seed: int, kind: int) -> Real:
    names = np.unique(real.groups)
    if len(names) <= MOST_GROUPS:
        return real
    kept = np.random.default_rng([seed, 3, kind]).permutation(names)[:MOST_GROUPS]
    chosen = np.isin(real.groups, kept)
    some = (real.groups[chosen], real.vectors[chosen], real.texture[chosen])
    return Real(taken(real.examples, chosen), *some, real.offered)


def _by_group(scores: np.ndarray, groups: np.ndarray) -> list[float]:
    return [float(scores[groups == name].mean()) for name in np.unique(groups)]
