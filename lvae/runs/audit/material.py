"""Real examples and sets to hold against them: the drawn one, and controls whose answer is known."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA

from lvae.errors import UserError
from lvae.metrics.near_copies import copy_distances
from lvae.tasks.auditor import Auditor, Examples
from lvae.tasks.task import Run

MOST = 4000  # real examples of either kind; of larger sets whole groups are chosen at random
COPYING = ("copies", "noisy copies", "PCA mixture")  # controls that an audit must flag
POPULATION = "population"  # a control that knows all groups alike
_COMPONENTS = 16  # of the PCA mixture and of the population


class Real(NamedTuple):
    """Real examples. groups: whose each is. vectors, texture: of the auditor. offered: how many there
    were before some were chosen."""

    examples: Examples
    groups: np.ndarray
    vectors: Float[np.ndarray, "n numbers"]
    texture: Float[np.ndarray, "n features"]
    offered: int


class Material(NamedTuple):
    """What sets are compared with. within: distances between training examples. limits: how near to
    each of them a near-copy is. baseline: from every held-out example to the nearest of them."""

    auditor: Auditor
    run: Run[Any]
    train: Real
    held_out: Real
    within: Float[np.ndarray, "train train"]
    limits: Float[np.ndarray, " train"]
    baseline: Float[np.ndarray, " held_out"]


class ComparedSet(NamedTuple):
    """A set that is measured. groups: of near-copies among its examples, or None. held_out: whether
    it is the held-out examples themselves, which are not compared with their own group."""

    examples: Examples
    groups: np.ndarray | None = None
    held_out: bool = False


def material(
    auditor: Auditor, run: Run[Any], splits: Mapping[str, Examples], held_out: Any, seed: int
) -> Material:
    """The training split and held-out examples, measured.

    Args:
      auditor, run: of the trained model.
      splits: its data.
      held_out: splits of other recordings; None: the validation and test splits of its data.
      seed: of the choice where there are more than `MOST`.

    Raises:
      UserError: there are no held-out examples, or a single training example.
    """
    if held_out is None:
        held_out = {name: split for name, split in splits.items() if name != "train"}
    if not held_out:
        raise UserError(
            f"{run.workdir}: its data hold no {auditor.unit} that it was not trained on; name some "
            "with --held_out=DIR"
        )
    train = _chosen(auditor, run, [splits["train"]], seed)
    others = _chosen(auditor, run, list(held_out.values()), seed)
    if len(train.groups) < 2:
        raise UserError(f"{run.workdir}: was trained on a single example; nothing can be compared")
    within = auditor.distances(run, train.examples, train.examples)
    limits = copy_distances(within, train.groups)
    baseline = auditor.distances(run, others.examples, train.examples).min(1)
    return Material(auditor, run, train, others, within, limits, baseline)


def _chosen(auditor: Auditor, run: Run[Any], splits: list[Examples], seed: int) -> Real:
    """All real examples of some splits, groups counted through; of too many, whole groups."""
    parts, labels, start = [], [], 0
    for split in splits:
        part = auditor.real(run, split)
        _, index = np.unique(part[auditor.group], return_inverse=True)
        parts.append(part)
        labels.append(index + start)
        start += int(index.max()) + 1
    examples = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    groups = np.concatenate(labels)
    offered = len(groups)
    if offered > MOST:
        order = np.random.default_rng([seed, 1]).permutation(start)
        sizes = np.bincount(groups)[order].cumsum()
        kept = np.isin(groups, order[: max(2, int(np.searchsorted(sizes, MOST, "right")))])
        examples, groups = taken(examples, kept), groups[kept]
    vectors, texture = auditor.vectors(run, examples), auditor.texture(run, examples)
    return Real(examples, groups, vectors, texture, offered)


def controls(known: Material, count: int, seed: int) -> dict[str, ComparedSet]:
    """Sets of about `count` examples whose answer is known: three that copy, others that do not."""
    auditor, run, train = known.auditor, known.run, known.train
    rows = np.arange(count) % len(train.groups)
    copies = taken(train.examples, rows)
    sets = {
        "copies": ComparedSet(copies, rows),
        "noisy copies": ComparedSet(auditor.noisy(run, copies, seed), rows),
        "PCA mixture": ComparedSet(pca_mixture(known, count, seed)),
        POPULATION: ComparedSet(population(known, count, seed)),
    }
    if auditor.simulated is not None:
        examples, groups = auditor.simulated(run, count, seed + 1)
        sets["simulator"] = ComparedSet(examples, groups)
    held_out = known.held_out
    if len(np.unique(held_out.groups)) > 1:
        sets["held out"] = ComparedSet(held_out.examples, held_out.groups, held_out=True)
    return sets


def pca_mixture(known: Material, count: int, seed: int) -> Examples:
    """Draws of a Gaussian mixture on 16 principal components of the training examples, a component
    at each of them, whose root mean square width is half of the distance that makes a near-copy.

    It looks like a model, with a density and new numbers in every draw, and copies all the same.
    """
    numbers = known.train.vectors.astype(np.float64)
    most = min(_COMPONENTS, len(numbers) - 1, numbers.shape[1])
    components = PCA(most, svd_solver="full").fit(numbers)
    random = np.random.default_rng([seed, 2])
    source = random.integers(0, len(numbers), count)
    width = 0.5 * known.limits[source] / np.sqrt(most)
    codes = components.transform(numbers)[source]
    codes = codes + width[:, None] * random.standard_normal(codes.shape)
    return known.auditor.examples(known.run, components.inverse_transform(codes))


def population(known: Material, count: int, seed: int) -> Examples:
    """Draws of one normal distribution of the principal components of all real examples, training and
    held-out groups weighing the same: it knows of nobody who was trained on. A test that flags it has
    found that training and held-out groups differ of themselves, as when two scanners made them."""
    parts = (known.train, known.held_out)
    numbers = np.concatenate([part.vectors for part in parts]).astype(np.float64)
    weights = np.concatenate([_group_weights(part.groups) for part in parts])
    most = min(_COMPONENTS, len(numbers) - 1, numbers.shape[1])
    components = PCA(most, svd_solver="full").fit(numbers)
    codes = components.transform(numbers)
    mean = np.average(codes, axis=0, weights=weights)
    covariance = np.atleast_2d(np.cov(codes.T, aweights=weights))
    random = np.random.default_rng([seed, 4])
    drawn = random.multivariate_normal(mean, covariance, count, method="eigh")
    return known.auditor.examples(known.run, components.inverse_transform(drawn))


def _group_weights(groups: np.ndarray) -> Float[np.ndarray, " n"]:
    _, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return 1 / sizes[index]


def taken(examples: Examples, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Some of the examples."""
    return {name: array[rows] for name, array in examples.items()}
