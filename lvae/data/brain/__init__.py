"""Axial brain slices by subject: OASIS PNG folders, a folder of volumes, or built-in
pseudo-subjects.

A slice is an uint8 image, black background, anterior up, the subject's left to the right of the
middle column as stored (RAS columns ascend to the right). All slices of a subject are in one split.
"""

import collections
import functools
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lvae.data import volumes
from lvae.data.brain import pseudo_subjects
from lvae.data.brain.png_slices import FOLDERS, read_png, read_png_splits
from lvae.data.brain.settings import BrainConfig
from lvae.data.brain.splits import Split, check_subjects
from lvae.data.brain.volume_slices import read_volume_splits, slice_volume
from lvae.errors import UserError

__all__ = ["BrainConfig", "load", "read_images"]


@functools.lru_cache(maxsize=2)
def load(config: BrainConfig) -> dict[str, Split]:
    """The three splits, each {"image": uint8 (N, size, size), "subject": str (N,), "slice": int32
    (N,)}.

    Raises:
      UserError: nothing to read, a file that is no slice or volume, or a subject in two splits.
    """
    if config.path == "":
        splits = pseudo_subjects.make_splits(config)
    else:
        folder = Path(config.path)
        if not folder.is_dir():
            raise UserError(
                f"{folder}: no such folder; expected {', '.join(FOLDERS.values())}, or volumes"
            )
        if any((folder / name).is_dir() for name in FOLDERS.values()):
            splits = read_png_splits(folder, config.size)
        else:
            splits = read_volume_splits(folder, config)
    check_subjects(splits)
    for split in splits.values():
        for array in split.values():
            array.setflags(write=False)  # the same arrays go to every caller
    return splits


def read_images(folder: Path, config: BrainConfig) -> tuple[list[str], UInt8[np.ndarray, "n h w"]]:
    """Names and images of a folder given to sample.py: PNGs of any name, or volumes, which are
    sliced.

    Raises:
      UserError: no such folder, nothing in it, or a file that cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected PNG slices or volumes")
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    slices = [path for path in paths if path.suffix.lower() == ".png"]
    if slices:
        names = [path.stem.removesuffix(".nii") for path in slices]
        return names, np.stack([read_png(path, config.size) for path in slices])
    names, images = [], []
    for path in paths:
        if path.is_file() and volumes.is_volume(path):
            sliced = slice_volume(path, config)
            names += [f"{_volume_name(path)}_slice_{index}" for index in range(len(sliced))]
            images.append(sliced)
    if not images:
        raise UserError(f"{folder}: no PNG slices and no volumes in it")
    twice = [name for name, count in collections.Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            f"{folder}: two volumes would both become {twice[0]}; rename one of them or take it away"
        )
    return names, np.concatenate(images)


def _volume_name(path: Path) -> str:
    """The file's name without the endings of volumes."""
    return path.name.removesuffix(".gz").rpartition(".")[0]
