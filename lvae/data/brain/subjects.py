"""Which subject a scan is of, from its path: all scans of a subject must be in one split.

In this order: `sub-NAME` (BIDS) or `OAS1_0001` anywhere in the path; the outermost folder below the
data folder that is no contrast (`T1`), session (`visit2`) or common name (`images`); the file's name
without the contrast at its end (`NAME_t1`, `NAME_flair`). Where the outermost folders are fewer than three
(`HGG`, `LGG`), they are groups of subjects, and the next folders are taken.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from lvae.data.volumes import stem

NAMED = (re.compile(r"(sub-[A-Za-z0-9]+)"), re.compile(r"(OAS\d_\d{4})"))
RULE = "a subject is sub-NAME in the path, else the folder of its files, else the file's name"
FEWEST = 3  # subjects: training, validation, test
CONTRASTS = {  # family -> words in names
    "T1": {"t1", "t1w", "t1n", "mprage"},
    "T1 with contrast agent": {"t1c", "t1ce", "t1gd", "t1km"},
    "T2": {"t2", "t2w"},
    "FLAIR": {"flair", "t2f"},
    "T2*": {"t2star", "t2s", "swi"},
    "PD": {"pd", "pdw"},
    "diffusion": {"dwi", "adc"},
    "angiography": {"mra"},
    "CT": {"ct"},
}
MASKS = {
    *("seg", "segs", "dseg", "aseg", "probseg", "segmentation", "segmentations"),
    *("mask", "masks", "msk", "brainmask", "label", "labels", "labelstr", "labelsts"),
    *("lesion", "lesions", "roi", "gt", "ot", "annotation"),
}
COMMON = {  # folders that are of no subject
    *("data", "image", "images", "imagestr", "imagests", "scans", "volumes", "nii", "nifti"),
    *("raw", "rawdata", "mri", "anat", "func", "dwi", "perf"),
    *("train", "training", "val", "valid", "validation", "test", "testing"),
}
SESSION = re.compile(r"(?:ses|session|visit|tp|timepoint|scan|baseline|follow-?up)[-_ ]?\d*|\d{8}")
TOKENS = re.compile(r"[_\-. +]+")


def is_mask(path: Path) -> bool:
    """Whether a path (from the data folder) names a mask: by the last word of the file's name or
    by a folder such as `labelsTr`."""
    words = _words(stem(path))
    return words[-1] in MASKS or any(part.lower() in MASKS for part in path.parts[:-1])


def contrast_of(path: Path) -> str:
    """The contrast that a scan's name or a folder above speaks of; "" where none does."""
    words = [*_words(stem(path))[::-1], *(part.lower() for part in path.parts[-2::-1])]
    return next((name for word in words for name, known in CONTRASTS.items() if word in known), "")


def subjects_of(paths: Sequence[Path]) -> list[str]:
    """The subject of every scan, of paths from the data folder."""
    depth = 0
    folders = [_folders(path) for path in paths]
    for depth in range(max(map(len, folders), default=1)):
        if len({path[: depth + 1] for path in folders if path}) >= FEWEST:
            break
    else:
        depth = 0
    return [_subject(path, parts[: depth + 1]) for path, parts in zip(paths, folders)]


def merged(paths: Sequence[Path], subjects: Sequence[str]) -> tuple[str, int] | None:
    """A subject whose scans lie in several folders that might be a subject each, and how many."""
    folders: dict[str, set[tuple[str, ...]]] = {}
    for path, subject in zip(paths, subjects):
        if not any(pattern.search(path.as_posix()) for pattern in NAMED):
            folders.setdefault(subject, set()).add(_folders(path))
    return next(((name, len(found)) for name, found in folders.items() if len(found) > 1), None)


def _subject(path: Path, folders: tuple[str, ...]) -> str:
    for pattern in NAMED:
        if found := pattern.search(path.as_posix()):
            return found.group(1)
    return "_".join(folders) or _without_contrast(stem(path))


def _folders(path: Path) -> tuple[str, ...]:
    """The folders above a file that may name a subject."""
    return tuple(
        part
        for part in path.parts[:-1]
        if not (_is_contrast(part) or part.lower() in COMMON or SESSION.fullmatch(part.lower()))
    )


def _without_contrast(name: str) -> str:
    """`NAME_t1` without `_t1`; a name that is nothing but a contrast stays."""
    words = TOKENS.split(name)
    last = len(words)
    while last > 1 and _is_contrast(words[last - 1]):
        last -= 1
    if last == len(words):
        return name
    found = re.match(r"[_\-. ]+".join(map(re.escape, words[:last])), name)
    return found.group() if found else name


def _is_contrast(word: str) -> bool:
    return any(word.lower() in known for known in CONTRASTS.values())


def _words(name: str) -> list[str]:
    return TOKENS.split(name.lower())
