"""Files in folders and their sub-folders, as other tools leave them.

Hidden files and folders (`.git`, `.datalad`, a Mac's `._a.png`) are passed over: a DataLad clone
keeps every scan a second time under `.git/annex/objects`. Links are followed; a link to nothing is
named in a warning.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from lvae.data.problems import Problems, refused

SPLIT_FOLDERS = {  # split -> names of its folder, in any case
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "validate"),
    "test": ("test", "testing"),
}
PASSED_OVER = ("__macosx",)  # what a Mac adds to a ZIP archive
PLACEHOLDERS = {  # first bytes of a text file that stands for the real one -> how to get that
    b"/annex/objects/": "a git-annex placeholder; run `datalad get` on it",
    b"../.git/annex": "a git-annex placeholder; run `datalad get` on it",
    b"version https://git-lfs": "a Git LFS placeholder; run `git lfs pull`",
}


def files_under(
    folder: str | Path, wanted: Callable[[Path], bool], problems: Problems
) -> list[Path]:
    """The files under `folder` whose path is wanted, sorted by path.

    A wanted name that is a link to nothing becomes a warning, a folder that cannot be listed an
    error. A folder that can be reached in two ways is read once.

    Raises:
      UserError: `folder` itself is absent, no folder, or cannot be listed.
    """
    folder = Path(folder)
    check_folder(folder)
    found = []
    for path in _walk(folder, problems):
        if not wanted(path):
            continue
        if path.is_file():
            found.append(path)
        elif path.is_symlink():
            problems.warn(
                path,
                f"is a link to {path.readlink()}, which is not there, and is passed over",
                "fetch the file (`datalad get` in a DataLad clone) or remove the link",
            )
    return sorted(found)


def check_folder(folder: Path, expected: str = "name a folder") -> None:
    """Raises:
    UserError: `folder` is absent, no folder, or cannot be listed.
    """
    try:
        if not folder.exists():
            raise refused(folder, "no such folder", expected)
        if not folder.is_dir():
            raise refused(folder, "is a file, not a folder", expected)
        next(folder.iterdir(), None)
    except OSError as error:
        raise refused(folder, f"cannot be listed ({error.strerror})", expected) from error


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders of splits right under `folder` (`train`, `val`, ...); empty without `train`.

    Raises:
      UserError: two folders for one split.
    """
    found: dict[str, Path] = {}
    places = {place for place in folder.iterdir() if place.is_dir()}
    for split, names in SPLIT_FOLDERS.items():
        there = sorted(place for place in places if place.name.lower() in names)
        if len(there) > 1:
            listed = " and ".join(place.name for place in there)
            raise refused(folder, f"holds {listed}, both the {split} split", "keep one of them")
        if there:
            found[split] = there[0]
    return found if "train" in found else {}


def placeholder(path: Path) -> str | None:
    """What a file of a few hundred bytes stands for where the real one was not fetched."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return None
    return next((hint for first, hint in PLACEHOLDERS.items() if start.startswith(first)), None)


def _walk(folder: Path, problems: Problems) -> Iterator[Path]:
    seen = set()

    def failed(error: OSError) -> None:
        problems.add(error.filename, f"cannot be listed ({error.strerror})", "mend its permissions")

    for place, folders, files in os.walk(folder, onerror=failed, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _hidden(name))
        yield from (Path(place) / name for name in files if not _hidden(name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in PASSED_OVER
