"""Axial brain slices by subject: OASIS PNG folders, a folder of volumes, or built-in
pseudo-subjects.

A slice is an uint8 image, black background, anterior up, the subject's left to the right of the
middle column as stored (RAS columns ascend to the right). All slices of a subject are in one split.
"""

import collections
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from lvae.data.brain import pseudo_subjects
from lvae.data.brain.png_slices import FOLDERS, read_png, read_png_splits
from lvae.data.brain.settings import DataSettings
from lvae.data.brain.splits import Split, check_subjects
from lvae.data.brain.volume_slices import find_scans, read_volume_splits, slice_volume
from lvae.data.gray import is_image
from lvae.data.problems import Problems, collecting, refused
from lvae.data.trees import check_folder, files_under
from lvae.data.volumes import stem

__all__ = ["DataSettings", "load", "read_images"]


def load(config: DataSettings, problems: Problems | None = None) -> dict[str, Split]:
    """The three splits, each {"image": uint8 (N, size, size), "subject": str (N,), "slice": int32
    (N,)}. Without `problems` they are read once: the same arrays go to every caller.

    Raises:
      UserError: nothing to read, files that are no slices or volumes, or a subject in two splits.
    """
    return _load_once(config) if problems is None else _load(config, problems)


@functools.lru_cache(maxsize=2)
def _load_once(config: DataSettings) -> dict[str, Split]:
    splits = _load(config, None)
    for split in splits.values():
        for array in split.values():
            array.setflags(write=False)
    return splits


def read_images(
    path: Path, config: DataSettings, problems: Problems | None = None
) -> tuple[list[str], UInt8[np.ndarray, "n h w"]]:
    """Names and images of what is given to sample.py: images of any name and volumes, which are
    sliced; a folder with its sub-folders (a BIDS tree), or one file.

    A name is the file's; where two files share it, the path from the folder with `_` for `/`.

    Raises:
      UserError: nothing is there, nothing in it, files that cannot be read, or two of one name.
    """
    path = Path(path)
    with collecting(problems) as found:
        if not path.exists():
            raise refused(path, "no such file or folder", "expected PNG slices or volumes")
        folder = path if path.is_dir() else path.parent
        files = _inputs(path, found) if path.is_dir() else [path]
        if not files:
            raise refused(path, "no PNG slices and no volumes in it", "also not in sub-folders")
        names, images = [], []
        for file, name in zip(files, _names(files, folder, found)):
            with found.skipping():
                if is_image(file):
                    names.append(name)
                    images.append(read_png(file, config.size)[None])
                else:
                    sliced = slice_volume(file, config, found)
                    names += [f"{name}_slice_{index}" for index in range(len(sliced))]
                    images.append(sliced)
        found.raise_if_any()
        return names, np.concatenate(images)


def _load(config: DataSettings, problems: Problems | None) -> dict[str, Split]:
    if config.path == "":
        splits = pseudo_subjects.make_splits(config)
    else:
        folder = Path(config.path)
        check_folder(folder, f"expected {', '.join(FOLDERS.values())}, or volumes")
        if any((folder / name).is_dir() for name in FOLDERS.values()):
            splits = read_png_splits(folder, config.size, problems)
        else:
            splits = read_volume_splits(folder, config, problems)
    check_subjects(splits, problems)
    return splits


def _inputs(folder: Path, found: Problems) -> list[Path]:
    images = files_under(folder, is_image, found)
    return sorted(images + find_scans(folder, found))


def _names(files: Sequence[Path], folder: Path, found: Problems) -> list[str]:
    """A name for each file, all different."""
    plain = [_stem(file) for file in files]
    often = collections.Counter(plain)
    names = [
        name if often[name] == 1 else "_".join([*file.relative_to(folder).parts[:-1], name])
        for file, name in zip(files, plain)
    ]
    first: dict[str, Path] = {}
    for file, name in zip(files, names):
        if first.setdefault(name, file) != file:
            found.add(
                file, f"and {first[name].name} would both become {name}", "rename one of them"
            )
    return names


def _stem(path: Path) -> str:
    """`a` of a.png, of a.nii.png and of a.nii.gz."""
    return stem(path.stem) if is_image(path) else stem(path)
