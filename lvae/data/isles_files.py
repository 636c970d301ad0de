"""Where the images and masks of stroke cases lie: ISLES 2015 (SISS), ISLES 2022, or plain names.

    CASE/VSD.Brain.XX.O.MR_DWI.ID/*.nii, CASE/VSD.Brain*.O.OT.ID/*.nii               ISLES 2015
    sub-CASE/ses-0001/dwi/sub-CASE_ses-0001_dwi.nii.gz                               ISLES 2022
    derivatives/sub-CASE/ses-0001/sub-CASE_ses-0001_msk.nii.gz
    NAME_dwi.nii.gz, NAME_mask.nii.gz (or _msk, _seg, _lesion)                       plain names

Upper and lower case are alike, and cases may lie in sub-folders. The first layout of which a folder
holds files is read.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from lvae.data import volumes
from lvae.data.problems import Problems, collecting, refused
from lvae.data.trees import check_folder, files_under

IMAGE_FOLDER = "VSD.Brain.*.O.MR_DWI.*"
MASK_FOLDER = "VSD.Brain*.O.OT.*"
ANY_FOLDER = "VSD.Brain*"
IMAGE_WORDS = ("dwi",)
MASK_WORDS = ("msk", "mask", "seg", "lesion")
BIDS_CASE = re.compile(r"(sub-[a-z0-9]+(?:_ses-[a-z0-9]+)?)(?:_.*)?$", re.IGNORECASE)


class CaseFiles(NamedTuple):
    """A case's name, its image and its lesion's mask."""

    name: str
    image: Path
    mask: Path


def find_cases(folder: str | Path, problems: Problems | None = None) -> list[CaseFiles]:
    """The files of every case under a folder, by name.

    Raises:
      UserError: no such folder, no cases, cases without exactly one image and one mask.
    """
    folder = Path(folder)
    with collecting(problems) as found:
        check_folder(folder, "name one that holds a folder a case")
        files = files_under(folder, volumes.is_volume, found)
        cases = _siss(folder, files, found) or _named(folder, files, found)
        if not cases and not found.errors:
            raise refused(
                folder,
                f"holds no case folders ({len(files)} volumes)",
                f"expected CASE/{IMAGE_FOLDER}/*.nii with CASE/{MASK_FOLDER}/*.nii (ISLES 2015), or "
                "sub-CASE/.../*_dwi.nii.gz with derivatives/sub-CASE/.../*_msk.nii.gz (ISLES 2022)",
            )
        found.raise_if_any()
        return cases


def _siss(folder: Path, files: Sequence[Path], found: Problems) -> list[CaseFiles]:
    """Cases of the ISLES 2015 layout: the parents of folders named VSD.Brain..."""
    images: dict[str, list[Path]] = {}
    masks: dict[str, list[Path]] = {}
    places = {place for file in files for place in file.relative_to(folder).parents}
    cases = {place.parent for place in places if _fits(place.name, ANY_FOLDER)}
    if not cases:
        return []
    if Path() in cases:
        raise refused(
            folder, "is itself a case", "name the folder that holds this one and other cases"
        )
    # an empty folder among the cases is a case that lost its files
    tops = {Path(place.name) for place in folder.iterdir() if place.is_dir()}
    cases |= {top for top in tops if top.name[0] != "." and not _has_part(top, cases)}
    for file in files:
        place = file.relative_to(folder).parent
        for pattern, kept in ((IMAGE_FOLDER, images), (MASK_FOLDER, masks)):
            if _fits(place.name, pattern):
                kept.setdefault(place.parent.as_posix(), []).append(file)
    expected = {
        case.as_posix(): (
            f"{folder / case}/{IMAGE_FOLDER}/*.nii",
            f"{folder / case}/{MASK_FOLDER}/*.nii",
        )
        for case in cases
    }
    return _paired(images, masks, expected, found)


def _named(folder: Path, files: Sequence[Path], found: Problems) -> list[CaseFiles]:
    """Cases whose files say what they are by the last word of their names."""
    images: dict[str, list[Path]] = {}
    masks: dict[str, list[Path]] = {}
    for file in files:
        name, _, word = volumes.stem(file).rpartition("_")
        if bids := BIDS_CASE.match(name):
            name = bids.group(1)
        if name and word.lower() in IMAGE_WORDS:
            images.setdefault(name, []).append(file)
        elif name and word.lower() in MASK_WORDS:
            masks.setdefault(name, []).append(file)
    if not images:
        return []
    expected = {
        name: (f"{folder}/**/{name}_dwi.nii.gz", f"{folder}/**/{name}_msk.nii.gz")
        for name in images.keys() | masks.keys()
    }
    return _paired(images, masks, expected, found)


def _paired(
    images: Mapping[str, Sequence[Path]],
    masks: Mapping[str, Sequence[Path]],
    places: Mapping[str, tuple[str, str]],
    found: Problems,
) -> list[CaseFiles]:
    """Cases with one image and one mask; the others are noted."""
    cases = []
    for name in sorted(places):
        files = []
        for what, kept, place in zip(("DWI", "lesion mask"), (images, masks), places[name]):
            with found.skipping():
                files.append(_only(name, what, kept.get(name, []), place))
        if len(files) == 2:
            cases.append(CaseFiles(name, *files))
    return cases


def _only(name: str, what: str, files: Sequence[Path], place: str) -> Path:
    if not files:
        raise refused(f"case {name}", f"no {what} at {place}", "add it or move the case away")
    if len(files) > 1:
        listed = ", ".join(file.name for file in files)
        raise refused(f"case {name}", f"{len(files)} files for the {what} ({listed})", "keep one")
    return files[0]


def _fits(name: str, pattern: str) -> bool:
    return fnmatch(name.lower(), pattern.lower())


def _has_part(top: Path, cases: set[Path]) -> bool:
    return any(case.parts[:1] == top.parts for case in cases)
