"""Where the images and masks of stroke cases lie: ISLES 2015 ([maier2017]), ISLES 2022
([hernandez2022]), or plain names.

    CASE/VSD.Brain.XX.O.MR_DWI.ID/*.nii, CASE/VSD.Brain*.O.OT.ID/*.nii               ISLES 2015
    sub-CASE/ses-0001/dwi/sub-CASE_ses-0001_dwi.nii.gz                               ISLES 2022
    derivatives/sub-CASE/ses-0001/sub-CASE_ses-0001_msk.nii.gz
    NAME_dwi.nii.gz, NAME_mask.nii.gz (or _msk, _seg, _lesion)                       plain names

ADC and FLAIR lie beside the DWI, as MR_ADC and MR_Flair, _adc and _flair; a case may lack them.
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
FOLDERS = {  # kind of a file -> its folder in the layout of ISLES 2015
    "dwi": IMAGE_FOLDER,
    "mask": MASK_FOLDER,
    "adc": "VSD.Brain.*.O.MR_ADC.*",
    "flair": "VSD.Brain.*.O.MR_Flair.*",
}
WORDS = {  # last word of a file's name -> its kind
    "dwi": "dwi",
    **dict.fromkeys(("msk", "mask", "seg", "lesion"), "mask"),
    "adc": "adc",
    "flair": "flair",
}
WHAT = {"dwi": "DWI", "mask": "lesion mask", "adc": "ADC map", "flair": "FLAIR"}
BIDS_CASE = re.compile(r"(sub-[a-z0-9]+(?:_ses-[a-z0-9]+)?)(?:_.*)?$", re.IGNORECASE)


Kept = dict[str, dict[str, list[Path]]]  # kind -> case -> files


class CaseFiles(NamedTuple):
    """A case's name, its channels ("dwi", and "adc" and "flair" where they are) and its lesion's
    mask."""

    name: str
    channels: Mapping[str, Path]
    mask: Path


def find_cases(folder: str | Path, problems: Problems | None = None) -> list[CaseFiles]:
    """The files of every case under a folder, by name.

    Raises:
      UserError: no such folder, no cases, cases without exactly one image and one mask.
    """
    cases = []
    for name, files in _find(Path(folder), ("dwi", "mask"), problems).items():
        mask = files.pop("mask")
        cases.append(CaseFiles(name, files, mask))
    return cases


def find_scans(folder: str | Path, problems: Problems | None = None) -> dict[str, dict[str, Path]]:
    """The channels of every scan under a folder, by name: at least one of each, masks or not.

    Raises:
      UserError: no such folder, no scans, scans with two files for one channel.
    """
    found = _find(Path(folder), (), problems)
    return {
        name: {kind: file for kind, file in files.items() if kind != "mask"}
        for name, files in found.items()
        if files.keys() - {"mask"}
    }


def _find(
    folder: Path, required: Sequence[str], problems: Problems | None
) -> dict[str, dict[str, Path]]:
    with collecting(problems) as found:
        check_folder(folder, "name one that holds a folder a case")
        files = files_under(folder, volumes.is_volume, found)
        cases = _siss(folder, files, required, found) or _named(folder, files, required, found)
        if not cases and not found.errors:
            raise refused(
                folder,
                f"holds no case folders ({len(files)} volumes)",
                f"expected CASE/{IMAGE_FOLDER}/*.nii with CASE/{MASK_FOLDER}/*.nii (ISLES 2015), or "
                "sub-CASE/.../*_dwi.nii.gz with derivatives/sub-CASE/.../*_msk.nii.gz (ISLES 2022)",
            )
        found.raise_if_any()
        return cases


def _siss(
    folder: Path, files: Sequence[Path], required: Sequence[str], found: Problems
) -> dict[str, dict[str, Path]]:
    """Cases of the ISLES 2015 layout: the parents of folders named VSD.Brain..."""
    places = {place for file in files for place in file.relative_to(folder).parents}
    cases = {place.parent for place in places if _fits(place.name, ANY_FOLDER)}
    if not cases:
        return {}
    if Path() in cases:
        raise refused(
            folder, "is itself a case", "name the folder that holds this one and other cases"
        )
    # an empty folder among the cases is a case that lost its files
    tops = {Path(place.name) for place in folder.iterdir() if place.is_dir()}
    cases |= {top for top in tops if top.name[0] != "." and not _has_part(top, cases)}
    kept: Kept = {kind: {} for kind in WHAT}
    for file in files:
        place = file.relative_to(folder).parent
        for kind, pattern in FOLDERS.items():
            if _fits(place.name, pattern):
                kept[kind].setdefault(place.parent.as_posix(), []).append(file)
    expected = {
        case.as_posix(): {
            kind: f"{folder / case}/{pattern}/*.nii" for kind, pattern in FOLDERS.items()
        }
        for case in cases
    }
    return _gathered(kept, expected, required, found)


def _named(
    folder: Path, files: Sequence[Path], required: Sequence[str], found: Problems
) -> dict[str, dict[str, Path]]:
    """Cases whose files say what they are by the last word of their names."""
    kept: Kept = {kind: {} for kind in WHAT}
    for file in files:
        name, kind = kind_of(file)
        if bids := BIDS_CASE.match(name):
            name = bids.group(1)
        if name and kind:
            kept[kind].setdefault(name, []).append(file)
    names = set[str]().union(*kept.values())
    if not names or (required and not kept["dwi"]):
        return {}
    expected = {
        name: {
            kind: f"{folder}/**/{name}_{word}.nii.gz"
            for kind, word in (("dwi", "dwi"), ("mask", "msk"))
        }
        for name in (kept["dwi"].keys() | kept["mask"].keys() if required else names)
    }
    return _gathered(kept, expected, required, found)


def kind_of(file: Path) -> tuple[str, str]:
    """A file's name without its last word, and what that says it is ("": nothing)."""
    name, _, word = volumes.stem(file).rpartition("_")
    return name, WORDS.get(word.lower(), "")


def _gathered(
    kept: Kept,
    places: Mapping[str, Mapping[str, str]],
    required: Sequence[str],
    found: Problems,
) -> dict[str, dict[str, Path]]:
    """Cases with one file of each kind that is required, and what else they have; the others are
    noted."""
    cases = {}
    for name in sorted(places):
        files = {}
        for kind, what in WHAT.items():
            there = kept[kind].get(name, [])
            if there or kind in required:
                with found.skipping():
                    files[kind] = _only(name, what, there, places[name].get(kind, ""))
        if all(kind in files for kind in required):
            cases[name] = files
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
