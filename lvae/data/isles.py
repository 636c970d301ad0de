"""Patches of stroke MRI with labels and positions: ISLES 2015, ISLES 2022, or pseudo-cases.

Which files are a case: see `lvae.data.isles_files`. Volumes are turned to right, anterior, superior
(no interpolation), brought to one pixel size in the plane, normalised, and cut into axial patches
that do not overlap.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from lvae.data import volumes
from lvae.data.heads import head_of, warning_of
from lvae.data.isles_files import CaseFiles, find_cases
from lvae.data.lesions import pseudo_case
from lvae.data.problems import Problems, Refused, collecting, refused

__all__ = ["PatchConfig", "find_cases", "head_of", "in_plane", "load", "normalise", "read_case"]

PERCENTILES = (1.0, 99.5)  # of the head: black and white
SAME_SPACING = 0.02  # relative; closer pixels are not resampled
SMALLEST_HEAD = 1000  # voxels

Splits = dict[str, dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """How volumes become patches; see `configs/patches.py`."""

    size: int
    spacing_mm: float
    slice_mm: float
    head_share: float
    lesion_share: float
    median: float

    def __post_init__(self) -> None:
        if self.size < 4:
            raise ValueError(f"size={self.size}: must be at least 4 pixels")
        for name in ("spacing_mm", "slice_mm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be above 0 mm")
        if not 0 < self.head_share <= 1:
            raise ValueError(f"head_share={self.head_share}: must be in (0, 1]")
        if not 0 <= self.lesion_share < 1:
            raise ValueError(f"lesion_share={self.lesion_share}: must be in [0, 1)")
        if not 0 <= self.median < 1:
            raise ValueError(f"median={self.median}: must be in (0, 1), or 0 for none")


class Case(NamedTuple):
    """One normalised case; the image is in [0, 1]."""

    name: str
    image: Float[np.ndarray, "x y z"]
    lesion: Bool[np.ndarray, "x y z"]
    head: Bool[np.ndarray, "x y z"]
    step: int  # slices from one that is used to the next


def read_case(
    name: str,
    image_file: Path,
    mask_file: Path,
    config: PatchConfig,
    problems: Problems | None = None,
) -> Case:
    """One case from its two files.

    Raises:
      UserError: files that are no volumes, grids that differ, a mask that is not 0 and 1, no head.
    """
    with collecting(problems) as found:
        pair = []
        for path in (image_file, mask_file):
            with found.skipping():
                pair.append(_read(name, path))
        found.raise_if_any()
        image, mask = pair
        _check_mask(name, mask_file, mask, image_file, image)
        if text := warning_of(image.array):
            found.warn(f"case {name}: {image_file}", text, "shift its values above 0")
        array = in_plane(image.array, image.info.voxel_size, config.spacing_mm, order=1)
        lesion = in_plane(mask.array, image.info.voxel_size, config.spacing_mm, order=0) > 0.5
        head = head_of(array)
        if head.sum() < SMALLEST_HEAD:
            raise refused(
                f"case {name}",
                f"{image_file} shows a head of {int(head.sum())} voxels (expected {SMALLEST_HEAD} "
                "or more)",
                "is it empty?",
            )
        step = max(1, round(config.slice_mm / image.info.voxel_size[2]))
        return Case(name, normalise(array, head, config.median), lesion, head, step)


def _check_mask(
    name: str, mask_file: Path, mask: volumes.Volume, image_file: Path, image: volumes.Volume
) -> None:
    """Raises:
    UserError: the mask is not on the image's grid, or is not 0 and 1.
    """
    remedy = "the mask must be on the image's grid"
    if image.array.shape != mask.array.shape:
        raise refused(
            f"case {name}",
            f"{mask_file} has shape {mask.array.shape}, {image_file.name} has {image.array.shape}",
            remedy,
        )
    if not np.allclose(image.affine, mask.affine, atol=0.1):
        raise refused(
            f"case {name}", f"{mask_file} has another affine than {image_file.name}", remedy
        )
    odd = mask.array[(mask.array != 0) & (mask.array != 1)]
    if odd.size:
        raise refused(
            f"case {name}", f"{mask_file} holds the value {odd.min():g}", "a mask holds 0 and 1"
        )


def _read(name: str, path: Path) -> volumes.Volume:
    try:
        return volumes.canonical(volumes.read_volume(path))
    except Refused as error:
        first = error.problems[0]
        raise refused(f"case {name}: {first.path}", first.problem, first.remedy) from error


def built_in(count: int, seed: int, config: PatchConfig) -> Iterable[Case]:
    """Pseudo-cases, one at a time."""
    for index in range(count):
        image, lesion, head, spacing = pseudo_case(index, seed, config.slice_mm)
        array = in_plane(image, spacing, config.spacing_mm, order=1)
        lesion = in_plane(lesion.astype(np.float32), spacing, config.spacing_mm, order=0) > 0.5
        head = in_plane(head.astype(np.float32), spacing, config.spacing_mm, order=0) > 0.5
        yield Case(f"pseudo-{index:02d}", normalise(array, head, config.median), lesion, head, 1)


def in_plane(
    array: Float[np.ndarray, "x y z"],
    voxel_size: tuple[float, float, float],
    spacing_mm: float,
    order: int,
) -> Float[np.ndarray, "new_x new_y z"]:
    """The volume with pixels of `spacing_mm` in the axial plane; slices stay."""
    # at least one pixel
    factors = [
        max(size / spacing_mm, 1 / count) for size, count in zip(voxel_size[:2], array.shape)
    ] + [1.0]
    if all(abs(factor - 1) <= SAME_SPACING for factor in factors):
        return array
    return ndimage.zoom(array, factors, order=order, mode="nearest", grid_mode=True)


def normalise(
    array: Float[np.ndarray, "x y z"], head: Bool[np.ndarray, "x y z"], median: float
) -> Float[np.ndarray, "x y z"]:
    """[0, 1] between two percentiles of the head; 0 outside of it.

    median: where a power law then puts the head's median, 0 for none. The upper percentile of a
    case with a large lesion lies in the lesion, so that all its healthy tissue is dark; the median
    is hardly moved by a lesion.
    """
    low, high = np.percentile(array[head], PERCENTILES)
    scaled = (np.clip(array, low, high) - low) / max(high - low, 1e-12)  # nothing overflows
    if median:
        middle = np.clip(np.median(scaled[head]), 1e-3, 1 - 1e-3)
        scaled = scaled ** (np.log(median) / np.log(middle))
    return np.where(head, scaled, 0).astype(np.float32)


def patches_of(case: Case, config: PatchConfig) -> dict[str, np.ndarray]:
    """Axial patches that do not overlap, on a grid in the middle of the plane.

    Returns:
      image, uint8 (N, size, size), rows to the right and columns to the front; label, int32 (N,),
      1 where more than `lesion_share` of the patch is lesion; share, float32 (N,), that share;
      position, float32 (N, 3), centre within the head's box, -1 to 1 from left, back and below.
      Patches of which less than `head_share` is head are dropped.
    """
    size = config.size
    columns, rows = (length // size for length in case.image.shape[:2])
    if not columns or not rows or not case.head.any():
        return _empty(size)
    start = [(length - length // size * size) // 2 for length in case.image.shape[:2]]
    filled = np.flatnonzero(case.head.any((0, 1)))
    slices = np.arange(filled[0], filled[-1] + 1, case.step)

    def cut(array: np.ndarray) -> np.ndarray:
        window = array[
            start[0] : start[0] + columns * size, start[1] : start[1] + rows * size, slices
        ]
        blocks = window.reshape(columns, size, rows, size, len(slices))
        return blocks.transpose(4, 0, 2, 1, 3).reshape(-1, size, size)

    z, x, y = np.meshgrid(slices, np.arange(columns), np.arange(rows), indexing="ij")
    centres = [start[0] + (x + 0.5) * size - 0.5, start[1] + (y + 0.5) * size - 0.5, z]
    position = positions(np.stack([centre.ravel() for centre in centres], -1), case.head)
    kept = cut(case.head).mean((1, 2)) >= config.head_share
    share = cut(case.lesion).mean((1, 2))[kept]
    return {
        "image": np.rint(255 * cut(case.image)[kept]).astype(np.uint8),
        "label": (share > config.lesion_share).astype(np.int32),
        "share": share.astype(np.float32),
        "position": position[kept],
    }


def positions(
    voxels: Float[np.ndarray, "n 3"], head: Bool[np.ndarray, "x y z"]
) -> Float[np.ndarray, "n 3"]:
    """Voxel indices as places in the head's box: -1 to 1 along each axis."""
    scaled = []
    for axis in range(3):
        inside = np.flatnonzero(head.any(tuple(other for other in range(3) if other != axis)))
        low, high = inside[0], inside[-1]
        scaled.append(2 * (voxels[:, axis] - low) / max(high - low, 1) - 1)
    return np.stack(scaled, -1).astype(np.float32)


def _empty(size: int) -> dict[str, np.ndarray]:
    return {
        "image": np.zeros((0, size, size), np.uint8),
        "label": np.zeros(0, np.int32),
        "share": np.zeros(0, np.float32),
        "position": np.zeros((0, 3), np.float32),
    }


def load(
    path: str,
    count: int,
    seed: int,
    shares: tuple[float, float],
    config: PatchConfig,
    problems: Problems | None = None,
) -> Splits:
    """Patches by split; no case is in two.

    Args:
      path: a folder in the ISLES layout, "" for `count` pseudo-cases.
      count: of pseudo-cases; not used for files.
      seed: of the pseudo-cases, and of which case falls into which split.
      shares: of the cases that are validation and test, at least one case each.
      config: how volumes are cut.
      problems: where to note what is wrong; None raises and prints.

    Returns:
      split -> the fields of `patches_of`, and case, int32 (N,), an index into the sorted names.

    Raises:
      UserError: bad files (see `find_cases`, `read_case`), fewer than three cases, a split without
        patches or training cases of one label only.
    """
    with collecting(problems) as found:
        cases: Iterable[Case | None]
        if path:
            files = find_cases(path, found)
            count = len(files)
            cases = _read_cases(files, config, found)
        else:
            cases = built_in(count, seed, config)
        splits_of = assign(count, shares, seed, path)
        parts: dict[str, list[dict[str, np.ndarray]]] = {"train": [], "validation": [], "test": []}
        for index, case in enumerate(cases):
            if case is None:
                continue
            fields = patches_of(case, config)
            fields["case"] = np.full(len(fields["label"]), index, np.int32)
            parts[splits_of[index]].append(fields)
        found.raise_if_any()
        splits = {
            split: {name: np.concatenate([entry[name] for entry in entries]) for name in entries[0]}
            for split, entries in parts.items()
        }
        for split, fields in splits.items():
            if len(np.unique(fields["label"])) < 2:
                found.add(
                    path or "the pseudo-cases",
                    f"the {split} cases hold {len(fields['label'])} patches of one kind",
                    "lesion and healthy ones are needed, so give more cases or lower "
                    "config.data.lesion_share",
                )
        return splits


def _read_cases(
    files: Iterable[CaseFiles], config: PatchConfig, found: Problems
) -> Iterator[Case | None]:
    """One case after the other; None for one that is refused and noted."""
    for entry in files:
        case = None
        with found.skipping():
            case = read_case(*entry, config, found)
        yield case


def assign(count: int, shares: tuple[float, float], seed: int, source: str) -> list[str]:
    """The split of each of `count` cases.

    Raises:
      UserError: fewer than three cases, or none left to train on.
    """
    held_out = [max(1, round(share * count)) for share in shares]
    if count - sum(held_out) < 1:
        raise refused(
            source or "config.data.cases",
            f"{count} cases",
            "training, validation and test need at least one each",
        )
    order = np.random.default_rng([seed, count]).permutation(count)
    splits = np.full(count, "train", dtype=object)
    splits[order[: held_out[0]]] = "validation"
    splits[order[held_out[0] : sum(held_out)]] = "test"
    return splits.tolist()
