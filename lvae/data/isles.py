"""Patches of stroke MRI with labels and positions: ISLES 2015, ISLES 2022, or pseudo-cases.

Which files are a case: see `lvae.data.isles_files`; how its channels come to one grid and one scale:
see `lvae.data.stroke_scans`; how they are cut into patches: see `lvae.data.scan_patches`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from lvae.data import volumes
from lvae.data.heads import warning_of
from lvae.data.isles_files import CaseFiles, find_cases
from lvae.data.problems import Problems, collecting, refused
from lvae.data.pseudo_cases import pseudo_case
from lvae.data.scan_patches import PatchConfig, patches_of
from lvae.data.stroke_scans import Channels, in_plane, prepare, read_channels

__all__ = ["Case", "find_cases", "load", "load_all", "read_case"]

Splits = dict[str, dict[str, np.ndarray]]


class Case(NamedTuple):
    """One case on its own grid, axes right, anterior, superior. source: for messages."""

    name: str
    channels: Channels
    lesion: Bool[np.ndarray, "x y z"]
    source: str


def read_case(files: CaseFiles, problems: Problems | None = None) -> Case:
    """One case from its files.

    Raises:
      UserError: files that are no volumes, a mask that is not on the DWI's grid or not 0 and 1.
    """
    name = files.name
    with collecting(problems) as found:
        read = []
        for parts in (files.channels, {"dwi": files.mask}):
            with found.skipping():
                read.append(read_channels(parts, name))
        found.raise_if_any()
        (channels, first, _), (_, mask, _) = read
        image_file = files.channels["dwi"]
        _check_mask(name, files.mask, mask, image_file, first)
        if text := warning_of(first.array):
            found.warn(f"case {name}: {image_file}", text, "shift its values above 0")
        return Case(name, channels, mask.array > 0.5, f"case {name}: {image_file}")


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


def built_in(indices: Iterable[int], seed: int, spacing_mm: float) -> Iterator[Case]:
    """Pseudo-cases, one at a time."""
    for index in indices:
        made = pseudo_case(index, seed, spacing_mm)
        name = f"pseudo-{index:02d}"
        yield Case(name, Channels(made.channels, made.spacing), made.lesion, name)


def all_cases(path: str, problems: Problems | None = None) -> Iterator[Case]:
    """Every case under a folder.

    Raises:
      UserError: bad files; see `find_cases` and `read_case`.
    """
    with collecting(problems) as found:
        for case in read_cases(find_cases(path, found), found):
            found.raise_if_any()
            assert case is not None
            yield case


def cases_of_split(
    path: str, count: int, seed: int, shares: tuple[float, float], spacing_mm: float, split: str
) -> Iterator[Case]:
    """The cases of one split; arguments as of `load`.

    Raises:
      UserError: bad files; see `find_cases` and `read_case`.
    """
    if not path:
        chosen = np.flatnonzero(np.array(assign(count, shares, seed, path)) == split)
        yield from built_in(chosen.tolist(), seed, spacing_mm)
        return
    files = find_cases(path)
    for entry, place in zip(files, assign(len(files), shares, seed, path)):
        if place == split:
            yield read_case(entry)


def load_all(
    path: str, config: PatchConfig, problems: Problems | None = None
) -> dict[str, np.ndarray]:
    """The patches of every case under a folder, with the fields of `load`.

    Raises:
      UserError: bad files, no patch.
    """
    parts = []
    for index, case in enumerate(all_cases(path, problems)):
        fields = case_patches(case, config)
        fields["case"] = np.full(len(fields["label"]), index, np.int32)
        parts.append(fields)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


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
            cases = read_cases(files, found)
        else:
            cases = built_in(range(count), seed, config.spacing_mm)
        splits_of = assign(count, shares, seed, path)
        parts: dict[str, list[dict[str, np.ndarray]]] = {"train": [], "validation": [], "test": []}
        for index, case in enumerate(cases):
            if case is None:
                continue
            with found.skipping():
                fields = case_patches(case, config)
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


def case_patches(case: Case, config: PatchConfig) -> dict[str, np.ndarray]:
    """The patches of one case.

    Raises:
      UserError: it shows no head.
    """
    scan = prepare(case.channels, config.spacing_mm, case.source)
    mask = case.lesion.astype(np.float32)
    lesion = in_plane(mask, case.channels.spacing, config.spacing_mm, order=0) > 0.5
    return patches_of(scan, lesion, config)


def read_cases(files: Iterable[CaseFiles], found: Problems) -> Iterator[Case | None]:
    """One case after the other; None for one that is refused and noted."""
    for entry in files:
        case = None
        with found.skipping():
            case = read_case(entry, found)
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
