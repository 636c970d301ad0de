"""Brain slices cut from a folder of volumes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from lvae.data import volumes
from lvae.data.brain.png_slices import FOLDERS
from lvae.data.brain.settings import WINDOW_PERCENTILE, DataSettings
from lvae.data.brain.splits import SPLITS, Split, joined, slices_of, split_subjects
from lvae.data.brain.subjects import FEWEST, RULE, contrast_of, is_mask, merged, subjects_of
from lvae.data.gray import is_image
from lvae.data.heads import unshifted, warning_of
from lvae.data.problems import Problems, collecting, refused
from lvae.data.trees import files_under, split_folders
from lvae.errors import UserError

BIDS_OTHERS = ("func", "dwi", "perf", "fmap")  # kinds of scan that are no anatomy


def read_volume_splits(
    folder: Path, config: DataSettings, problems: Problems | None = None
) -> dict[str, Split]:
    """Every scan under `folder` (and its sub-folders), sliced, split by subject.

    Who a scan is of: see `lvae.data.brain.subjects`. Folders named `train`, `val` (or `validation`)
    and `test` are the splits, if all three are there. Masks are no scans.

    Raises:
      UserError: fewer than three subjects, or volumes that cannot be read or are empty.
    """
    with collecting(problems) as found:
        paths = find_scans(folder, found)
        if not paths:
            raise _nothing(folder)
        relative = [path.relative_to(folder) for path in paths]
        subjects = subjects_of(relative)
        count = len(set(subjects))
        if count < FEWEST:
            raise refused(
                folder,
                f"volumes of {count} subjects ({len(paths)} files; {relative[0]} is of "
                f"{subjects[0]})",
                f"expected at least {FEWEST} ({RULE}), or the folders {', '.join(FOLDERS.values())}",
            )
        _warn_of_groups(folder, relative, subjects, found)
        homes = _homes(folder, paths, subjects, config, found)
        parts: dict[str, list[Split]] = {name: [] for name in SPLITS}
        before: Counter[str] = Counter()  # slices of a subject so far: no two have one number
        for path, subject, home in zip(paths, subjects, homes):
            with found.skipping():
                images = slice_volume(path, config, found)
                parts[home].append(slices_of(subject, images, before[subject]))
                before[subject] += len(images)
        found.raise_if_any()
        return {name: joined(split) for name, split in parts.items()}


def find_scans(folder: Path, found: Problems) -> list[Path]:
    """The scans under a folder, by path. Masks, BIDS derivatives and, beside anatomy, other kinds
    of BIDS scans are passed over with a warning.

    Raises:
      UserError: see `lvae.data.trees.files_under`.
    """
    paths = files_under(folder, volumes.is_volume, found)
    relative = {path: path.relative_to(folder) for path in paths}
    anatomy = any("anat" in place.parts for place in relative.values())
    raw = any("derivatives" not in place.parts for place in relative.values())
    reasons: dict[str, list[Path]] = {}
    scans = []
    for path, place in relative.items():
        if is_mask(place):
            reasons.setdefault("masks by their names", []).append(place)
        elif raw and "derivatives" in place.parts:
            reasons.setdefault("derivatives", []).append(place)
        elif anatomy and set(BIDS_OTHERS) & set(place.parts):
            reasons.setdefault("no anatomical scans", []).append(place)
        else:
            scans.append(path)
    for reason, places in reasons.items():
        found.warn(
            folder,
            f"{len(places)} volumes are {reason} and are passed over, such as {places[0]}",
            "rename or move them if they are scans to learn from",
        )
    return scans


def slice_volume(
    path: Path, config: DataSettings, problems: Problems | None = None
) -> UInt8[np.ndarray, "slices size size"]:
    """Axial slices of one volume, evenly spaced where the head is wide, on a square field of view.

    A skull-stripped volume that was shifted below zero is shifted back, see `lvae.data.heads`.

    Raises:
      UserError: the file cannot be read, or holds nothing above zero.
    """
    with collecting(problems) as found:
        volume = volumes.canonical(volumes.read_volume(path))
        if text := warning_of(volume.array):
            found.warn(path, text, "shift its values so that the background is 0")
        array = unshifted(volume.array)
        foreground = array > 0
        if not foreground.any():
            raise refused(path, "no voxel above zero, an empty volume", "remove it")
    white = max(float(np.percentile(array[foreground], WINDOW_PERCENTILE)), 1e-12)
    scaled = np.clip(array, 0, white) / white  # in this order nothing overflows
    areas = (scaled > volumes.MASK_THRESHOLD).sum((0, 1))
    wide = np.flatnonzero(areas >= 0.5 * areas.max())
    levels = np.linspace(wide[0], wide[-1], config.slices)
    middle = ndimage.center_of_mass(scaled)[:2]
    across = config.across_mm()
    columns = middle[0] + across / volume.info.voxel_size[0]
    rows = middle[1] - across / volume.info.voxel_size[1]  # anterior up
    grid = np.meshgrid(levels, rows, columns, indexing="ij")
    sampled = ndimage.map_coordinates(scaled, [grid[2], grid[1], grid[0]], order=1)
    return np.rint(255 * sampled).astype(np.uint8)


def _homes(
    folder: Path,
    paths: Sequence[Path],
    subjects: Sequence[str],
    config: DataSettings,
    found: Problems,
) -> list[str]:
    """The split of every scan."""
    places = split_folders(folder)
    if set(places) == set(SPLITS):
        homes = []
        for path in paths:
            name = next((split for split in SPLITS if path.is_relative_to(places[split])), None)
            if name is None:
                found.add(path, "lies beside the folders of splits", "move it into one of them")
            homes.append(name or "train")
        for name in SPLITS:
            if name not in homes:
                found.add(places[name], "holds no scans", "add some")
        found.raise_if_any()
        return homes
    if places:
        found.warn(
            folder,
            f"its folders {', '.join(place.name for place in places.values())} are not taken as "
            "splits, subjects are dealt out anew",
            f"give all three: {', '.join(SPLITS)}",
        )
    chosen = split_subjects(subjects, config.fractions, config.seed)
    return [chosen[subject] for subject in subjects]


def _warn_of_groups(
    folder: Path, relative: Sequence[Path], subjects: Sequence[str], found: Problems
) -> None:
    contrasts = sorted({contrast_of(path) for path in relative} - {""})
    if len(contrasts) > 1:
        found.warn(
            folder,
            f"{len(relative)} scans of {len(set(subjects))} subjects in several contrasts "
            f"({', '.join(contrasts)}) are read alike, each subject in one split",
            "keep one contrast in the folder to learn that one only",
        )
    if several := merged(relative, subjects):
        found.warn(
            folder,
            f"{several[1]} folders in {several[0]} are taken for one subject",
            f"name subjects otherwise if they are several: {RULE}",
        )


def _nothing(folder: Path) -> UserError:
    images = len(files_under(folder, is_image, Problems()))
    others = f", but {images} images" if images else ""
    return refused(
        folder,
        f"holds no volumes ({', '.join(volumes.SUFFIXES)}){others}",
        f"expected volumes, or slices in the folders {', '.join(FOLDERS.values())}",
    )
