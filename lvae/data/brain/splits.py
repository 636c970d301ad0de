"""Splits of slices: all slices of a subject are in one."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import UInt8

from lvae.data.problems import Problems, collecting

SPLITS = ("train", "validation", "test")

Split = dict[str, np.ndarray]  # "image", "subject" and "slice": see `lvae.data.brain.load`


def split_subjects(
    subjects: Iterable[str], fractions: Sequence[float], seed: int
) -> dict[str, str]:
    """Subject -> split; every split gets at least one subject. Independent of the order given."""
    names = sorted(set(subjects))
    order = np.random.default_rng(seed).permutation(len(names))
    held_out = [max(1, round(fraction * len(names))) for fraction in fractions[1:]]
    bounds = np.cumsum([len(names) - sum(held_out), *held_out])
    which = np.searchsorted(bounds, np.arange(len(names)), side="right")
    return {names[index]: SPLITS[part] for index, part in zip(order, which)}


def check_subjects(splits: dict[str, Split], problems: Problems | None = None) -> None:
    """Every subject is in one split only.

    Raises:
      UserError: names the subjects and their two splits.
    """
    home: dict[str, str] = {}
    with collecting(problems) as found:
        for name, split in splits.items():
            for subject in map(str, np.unique(split["subject"])):
                if home.setdefault(subject, name) != name:
                    found.add(
                        "",
                        f"subject {subject} is in both {home[subject]} and {name}: measures on "
                        "held-out slices would mean nothing",
                        "move all its slices to one split",
                    )


def slices_of(subject: str, images: UInt8[np.ndarray, "slices size size"], first: int = 0) -> Split:
    """The slices of one scan of a subject, counted from `first`."""
    return {
        "image": images,
        "subject": np.array([subject] * len(images)),
        "slice": np.arange(first, first + len(images), dtype=np.int32),
    }


def joined(parts: Sequence[Split]) -> Split:
    """All slices of some splits, one split's after the other's."""
    return {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}
