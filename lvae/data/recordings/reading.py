"""A folder of recordings in any layout: frames of several recordings in one folder, a folder per
recording, or a file per recording; split already or not."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from lvae.data.problems import Problems, collecting, refused
from lvae.data.recordings import hle, lasten
from lvae.data.recordings.frame_size import frame_size_beside
from lvae.data.recordings.frames import Frames, GridGeometry, joined
from lvae.data.recordings.numbering import check_numbering
from lvae.data.recordings.splits import (
    parse_fold,
    pooled,
    split_by_fold,
    split_by_recordings,
    warn_of_shared_recordings,
)

_SPLIT_OF_FOLDER = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
_EXPECTED = (
    "expected frames named ID.json (as 0.json), a folder of such frames per recording, or HLE "
    "recordings (NAME/NAME.json with 2DPoints, or points2d/*.npy)"
)


def read_data_set(
    path: str | Path,
    geometry: GridGeometry,
    *,
    folds: str = "",
    problems: Problems | None = None,
) -> dict[str, Frames]:
    """Splits of a data set: "train" and, where there is data for them, "validation" and "test".

    A folder that holds `train/` (and `validation/` or `val/`, and `test/`) is read as it is split.
    One that holds recordings is split by whole recordings, see `split_by_recordings`. With
    `folds="i/n"` the recordings are split by `split_by_fold` instead; those in a folder `test/`
    stay out of it, for good.

    Raises:
      UserError: see `read_frames`; there is no `train/`; the fold is no i/n or too fine.
    """
    with collecting(problems) as found:
        splits = _read_data_set(path, geometry, folds, found)
    return splits


def read_frames(
    folder: str | Path, geometry: GridGeometry, *, problems: Problems | None = None
) -> Frames:
    """All frames of one folder, checked: its own frames, or those of the recordings in it. Files
    that are no frames (fix.json, manifest*.json, calibration, images) and hidden ones are passed
    over.

    Raises:
      UserError: names everything that is wrong: the folder is missing or has no frames; what
        `lasten.read_folder` and `hle.read_recordings` list.
    """
    with collecting(problems) as found:
        frames = _read_frames(folder, geometry, found)
    return frames


def measured_geometry(path: str | Path, geometry: GridGeometry) -> GridGeometry:
    """`geometry`; where its width and height are 0, with those of the first video or image that lies
    beside the labels.

    Raises:
      UserError: there is none.
    """
    if geometry.width:
        return geometry
    path = _existing(path)
    for folder in (path, *_folders(path, depth=3)):
        size = frame_size_beside(folder)
        if size:
            return dataclasses.replace(geometry, width=size[0], height=size[1])
    raise refused(
        path,
        "no video or image that tells the frames' size",
        "give --config.data.width and --config.data.height",
    )


def _read_data_set(
    path: str | Path, geometry: GridGeometry, folds: str, found: Problems
) -> dict[str, Frames]:
    fold = parse_fold(folds)
    path = _existing(path)
    folders = _split_folders(path)
    geometry = measured_geometry(path, geometry)
    if not folders:
        frames = read_frames(path, geometry, problems=found)
        if fold:
            return split_by_fold(frames, fold, path)
        return split_by_recordings(frames, path, found)
    if "train" not in folders:
        name = next(iter(folders.values())).name
        remedy = "move the training frames to train/ in it"
        raise refused(path, f"holds {name}/ but no train/", remedy)
    if lasten.has_frames(path) or hle.sources_in(path):
        found.warn(path, "holds train/ and frames beside it", "only the folders are read")
    if fold and "test" in folders:
        found.warn(folders.pop("test"), "left out of the folds", "")
    splits: dict[str, Frames] = {}
    for name, folder in folders.items():
        with found.skipping():
            splits[name] = read_frames(folder, geometry, problems=found)
    found.raise_if_any()
    if fold:
        return split_by_fold(pooled(splits), fold, path)
    warn_of_shared_recordings(splits, path, found)
    return splits


def _read_frames(folder: str | Path, geometry: GridGeometry, found: Problems) -> Frames:
    folder = _existing(folder)
    geometry = measured_geometry(folder, geometry)
    inside = [path for path in _folders(folder) if _holds_recordings(path)]
    sources = hle.sources_in(folder)
    if not sources and lasten.has_frames(folder):
        if inside:
            beside = f"holds frames and a folder {inside[0].name}/ of frames beside them"
            found.warn(folder, beside, "the folder is not read")
        frames = lasten.read_folder(folder, geometry, found)
    else:
        frames = _read_recordings(folder, sources, inside, geometry, found)
    if frames is not None:
        check_numbering(frames, folder, found)
    found.raise_if_any()
    assert frames is not None  # or a problem is known
    return frames


def _read_recordings(
    folder: Path,
    sources: list[hle.Source],
    inside: list[Path],
    geometry: GridGeometry,
    found: Problems,
) -> Frames | None:
    """A recording per file or per folder."""
    by_folder: list[Path] = []
    for path in inside:
        own = hle.sources_in(path)
        sources = [*sources, *own]
        if not own:
            by_folder.append(path)
    if sources and by_folder:
        raise refused(
            folder,
            f"holds HLE recordings ({sources[0].name}) and folders of frames ({by_folder[0].name}/)",
            "keep each layout in its own folder",
        )
    if sources:
        return hle.read_recordings(sources, folder, geometry, found)
    if not by_folder:
        lasten.frame_files(folder, found)  # names JSON files that are nothing of this
        if not found.errors:
            raise refused(folder, "no frames in it", _EXPECTED)
        return None
    parts = [lasten.read_folder(p, geometry, found, recording=p.name) for p in by_folder]
    whole = [part for part in parts if part is not None]
    return joined(whole) if len(whole) == len(parts) else None


def _holds_recordings(folder: Path) -> bool:
    return lasten.has_frames(folder) or bool(hle.sources_in(folder))


def _split_folders(path: Path) -> dict[str, Path]:
    """Folders by the split that their names say, in the order of the splits."""
    folders: dict[str, Path] = {}
    for name, split in _SPLIT_OF_FOLDER.items():
        if (path / name).is_dir():
            if split in folders:
                raise refused(
                    path, f"holds {folders[split].name}/ and {name}/", "keep one of the two"
                )
            folders[split] = path / name
    return folders


def _folders(path: Path, depth: int = 1) -> Iterator[Path]:
    """Folders in it, by natural order, that are not hidden."""
    for folder in sorted(path.iterdir(), key=hle.natural_order):
        if folder.is_dir() and not folder.name.startswith("."):
            yield folder
            if depth > 1:
                yield from _folders(folder, depth - 1)


def _existing(folder: str | Path) -> Path:
    folder = Path(folder)
    remedy = "give one that holds train/ or recordings"
    if not folder.exists():
        raise refused(folder, "no such folder", remedy)
    if not folder.is_dir():
        raise refused(folder, "not a folder", remedy)
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise refused(folder, f"cannot be read ({error.strerror})", "check its rights") from error
    return folder
