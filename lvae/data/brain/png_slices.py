"""Brain slices from folders of PNGs, in the layout in which OASIS is passed on."""

import re
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lvae.data.brain.splits import Split
from lvae.data.gray import read_gray
from lvae.data.problems import Problems, collecting, refused
from lvae.data.trees import check_folder, files_under

FOLDERS = {  # split -> folder
    "train": "keras_png_slices_train",
    "validation": "keras_png_slices_validate",
    "test": "keras_png_slices_test",
}
PNG_NAME = re.compile(r"^(?:case|seg)_(\d+)_slice_(\d+)(?:\.nii)?\.png$", re.IGNORECASE)
EXPECTED = "expected PNGs named case_001_slice_0.nii.png"


def read_png_splits(folder: Path, size: int, problems: Problems | None = None) -> dict[str, Split]:
    """`keras_png_slices_train`, `_validate` and `_test` under `folder`.

    Raises:
      UserError: a folder is missing or empty, or a file is no slice (see `read_png`).
    """
    splits = {}
    with collecting(problems) as found:
        for split, name in FOLDERS.items():
            with found.skipping():
                splits[split] = read_png_folder(folder / name, size, found)
    return splits


def read_png_folder(folder: Path, size: int, problems: Problems | None = None) -> Split:
    """All slices of one folder, ordered by case, then slice.

    Raises:
      UserError: no such folder, no PNG in it, a name that is not case_NNN_slice_N.nii.png, two
        files of one slice, or see `read_png`.
    """
    with collecting(problems) as found:
        check_folder(folder, EXPECTED)
        paths = files_under(folder, lambda path: path.suffix.lower() == ".png", found)
        if not paths:
            raise refused(folder, "no PNG files", EXPECTED)
        slices: dict[tuple[str, int], UInt8[np.ndarray, "size size"]] = {}
        for path in paths:
            match = PNG_NAME.match(path.name)
            if match is None:
                found.add(path, "the name says no case and slice", EXPECTED)
                continue
            key = match.group(1), int(match.group(2))
            if key in slices:
                found.add(path, f"slice {key[1]} of case {key[0]} is there twice", "keep one")
            with found.skipping():
                slices[key] = read_png(path, size)
        found.raise_if_any()
        keys = sorted(slices)
        return {
            "image": np.stack([slices[key] for key in keys]),
            "subject": np.array([f"case_{case}" for case, _ in keys]),
            "slice": np.array([index for _, index in keys], np.int32),
        }


def read_png(path: Path, size: int) -> UInt8[np.ndarray, "size size"]:
    """One gray image, averaged over blocks down to `size`.

    Raises:
      UserError: not read as gray (see `lvae.data.gray`), not square, no multiple of `size`, or
        without content.
    """
    pixels = read_gray(path)
    height, width = pixels.shape
    if height != width or height % size:
        raise refused(
            path,
            f"{width} x {height} pixels",
            f"expected a square of {size} or a multiple of it",
        )
    if pixels.min() == pixels.max():
        raise refused(path, f"every pixel is {int(pixels[0, 0])}, an empty slice", "remove it")
    block = height // size
    if block == 1:
        return pixels.copy()
    means = pixels.reshape(size, block, size, block).mean((1, 3))
    return np.rint(means).astype(np.uint8)
