"""Brain slices from folders of PNGs, in the layout in which OASIS is passed on."""

import re
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lvae.data.brain.splits import Split
from lvae.errors import UserError

FOLDERS = {  # split -> folder
    "train": "keras_png_slices_train",
    "validation": "keras_png_slices_validate",
    "test": "keras_png_slices_test",
}
PNG_NAME = re.compile(r"^(?:case|seg)_(\d+)_slice_(\d+)(?:\.nii)?\.png$")


def read_png_splits(folder: Path, size: int) -> dict[str, Split]:
    """`keras_png_slices_train`, `_validate` and `_test` under `folder`.

    Raises:
      UserError: a folder is missing or empty, or a file is no slice (see `read_png`).
    """
    return {split: read_png_folder(folder / name, size) for split, name in FOLDERS.items()}


def read_png_folder(folder: Path, size: int) -> Split:
    """All slices of one folder, ordered by case, then slice.

    Raises:
      UserError: no such folder, no PNG in it, a name that is not case_NNN_slice_N.nii.png, or see
        `read_png`.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected PNGs named case_001_slice_0.nii.png")
    paths = sorted(path for path in folder.glob("*.png") if not path.name.startswith("."))
    if not paths:
        raise UserError(f"{folder}: no PNG files; expected names like case_001_slice_0.nii.png")
    keyed = []
    for path in paths:
        match = PNG_NAME.match(path.name)
        if match is None:
            raise UserError(
                f"{path}: the name says no case and slice; expected case_001_slice_0.nii.png"
            )
        keyed.append((match.group(1), int(match.group(2)), path))
    keyed.sort(key=lambda item: (item[0], item[1]))
    return {
        "image": np.stack([read_png(path, size) for _, _, path in keyed]),
        "subject": np.array([f"case_{case}" for case, _, _ in keyed]),
        "slice": np.array([index for _, index, _ in keyed], np.int32),
    }


def read_png(path: Path, size: int) -> UInt8[np.ndarray, "size size"]:
    """One grey 8-bit image, averaged over blocks down to `size`.

    Raises:
      UserError: unreadable, not 8-bit grey, not square, no multiple of `size`, or without content.
    """
    try:
        with Image.open(path) as image:
            mode, pixels = image.mode, np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"{path}: cannot be read as an image ({reason}); fetch it again") from error
    if mode != "L":
        raise UserError(f"{path}: image of mode {mode}; expected 8-bit grey (mode L)")
    height, width = pixels.shape
    if height != width or height % size:
        raise UserError(
            f"{path}: {width} x {height} pixels; expected a square of {size} or a multiple of it"
        )
    if pixels.min() == pixels.max():
        raise UserError(f"{path}: every pixel is {int(pixels[0, 0])}, an empty slice; remove it")
    block = height // size
    if block == 1:
        return pixels.copy()
    means = pixels.reshape(size, block, size, block).mean((1, 3))
    return np.rint(means).astype(np.uint8)
