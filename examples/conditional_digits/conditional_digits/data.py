"""Digits with labels, and what the network must know of them."""

from conditional_digits.settings import Settings
from lvae.data.image_folder import read_splits
from lvae.errors import UserError
from lvae.tasks.task import Spec, Splits, spec_of


def load_data(settings: Settings) -> Splits:
    """Digits by split: image, uint8 (N, height, width); label, int32 (N,). Raises a UserError where
    `read_splits` does, and for images without labels."""
    splits = read_splits(settings.data.path, settings.data.validation_share)
    if "label" not in splits["train"]:
        raise UserError(f"{settings.data.path}: images without labels; name a folder of IDX files")
    return splits


def spec(settings: Settings, splits: Splits) -> Spec:
    """The fields' shapes, and how many classes there are."""
    return spec_of(splits, classes=int(splits["train"]["label"].max()) + 1)
