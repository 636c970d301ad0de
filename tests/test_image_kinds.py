"""The folders on which denoisers of ultrasound and X-rays are tried."""

import numpy as np
import pytest

from benchmarks import image_kinds
from lvae.data.image_folder import read_splits


@pytest.mark.parametrize("kind", sorted(image_kinds.KINDS))
def test_images_are_gray_fill_their_range_and_depend_on_their_number_alone(kind, tmp_path):
    few = {"train": 2, "val": 1, "test": 1}
    image_kinds.write(kind, tmp_path / "few", few, seed=0)
    image_kinds.write(kind, tmp_path / "one", dict.fromkeys(few, 1), seed=0)
    splits, one = (read_splits(tmp_path / name, 0.1) for name in ("few", "one"))
    assert {name: len(split["image"]) for name, split in splits.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    for name, split in splits.items():
        assert split["image"].shape[1:] == (image_kinds.SIDE, image_kinds.SIDE)
        assert split["image"].max() > 180
        assert split["image"].min() < 20
        assert split["image"].std() > 20
        np.testing.assert_array_equal(split["image"][0], one[name]["image"][0])
    assert np.any(splits["train"]["image"][0] != splits["train"]["image"][1])


def test_held_out_images_are_of_other_photographs():
    assert not set(image_kinds.TRAINING) & set(image_kinds.HELD_OUT)
