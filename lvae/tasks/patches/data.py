"""Patches with labels: of stroke MRI, or of two digits."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from lvae.data import isles
from lvae.data.digits import read_digits
from lvae.data.scan_patches import PatchConfig
from lvae.errors import UserError
from lvae.tasks.patches.settings import DigitDataSettings, LesionDataSettings, Settings
from lvae.tasks.task import Spec, Splits, spec_of


def load_data(settings: Settings) -> Splits:
    """Patches by split: image, uint8 (N, size, size); label, int32 (N,), 1 is lesion (the second
    digit); case, int32 (N,); of lesions share, float32 (N,), and the fields of `lvae.data.scan_patches.fields_at`, too.

    Raises:
      UserError: see `lvae.data.isles` and `lvae.data.digits`.
    """
    data = settings.data
    if isinstance(data, DigitDataSettings):
        return two_digits(data)
    config = patch_config(data)
    if data.all_test:
        return {"test": isles.load_all(data.path, config)}
    return isles.load(data.path, data.cases, data.case_seed, shares_of(data), config)


def shares_of(data: LesionDataSettings) -> tuple[float, float]:
    """Of the cases that are validation and test."""
    return data.validation_share, data.test_share


def cases_of(settings: Settings, split: str) -> Iterator[isles.Case]:
    """The cases of a split, one after the other, whole.

    Raises:
      UserError: see `lvae.data.isles`.
    """
    data = settings.data
    assert isinstance(data, LesionDataSettings)
    if data.all_test:
        yield from isles.all_cases(data.path)
        return
    yield from isles.cases_of_split(
        data.path, data.cases, data.case_seed, shares_of(data), data.spacing_mm, split
    )


def patch_config(data: LesionDataSettings) -> PatchConfig:
    """What the reader needs to know."""
    names = [field.name for field in dataclasses.fields(PatchConfig)]
    return PatchConfig(**{name: getattr(data, name) for name in names})


def two_digits(data: DigitDataSettings) -> Splits:
    """The digits of two classes; the set's own test images are the test split.

    Every digit is its own case. Validation is drawn by `data.case_seed`.

    Raises:
      UserError: a split does not hold both classes.
    """
    images, digits = read_digits(data.path, "train")
    order = np.random.default_rng(data.case_seed).permutation(len(images))
    border = max(1, round(data.validation_share * len(images)))
    tests = read_digits(data.path, "test")
    splits = {
        "train": (images[order[border:]], digits[order[border:]]),
        "validation": (images[order[:border]], digits[order[:border]]),
        "test": tests,
    }
    result = {}
    for split, (patches, classes) in splits.items():
        chosen = np.isin(classes, data.classes)
        labels = (classes[chosen] == data.classes[1]).astype(np.int32)
        if len(np.unique(labels)) < 2:
            raise UserError(
                f"{data.path or 'the built-in digits'}: the {split} split does not hold both "
                f"{data.classes[0]} and {data.classes[1]}; choose other config.data.classes"
            )
        cases = np.arange(len(labels), dtype=np.int32)
        result[split] = {"image": patches[chosen], "label": labels, "case": cases}
    return result


def spec(settings: Settings, splits: Splits) -> Spec:
    """The patches' fields, and how many labelled ones there are to learn labels from."""
    few = few_labels(splits["train"]["label"], settings.loss.labels, settings.seed)
    return spec_of(splits, labelled=len(few))


def few_labels(labels: Int[np.ndarray, " n"], count: int, seed: int) -> Int[np.ndarray, " few"]:
    """Indices of `count` examples of each label: the handful that a reader has looked at."""
    random = np.random.default_rng([seed, 7])
    kinds = [np.flatnonzero(labels == kind) for kind in (0, 1)]
    return np.concatenate([random.permutation(kind)[:count] for kind in kinds])
