"""Brain slices cut from a folder of volumes (NIfTI or Analyze)."""

import re
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from lvae.data import volumes
from lvae.data.brain.png_slices import FOLDERS
from lvae.data.brain.settings import WINDOW_PERCENTILE, BrainConfig
from lvae.data.brain.splits import SPLITS, Split, joined, slices_of, split_subjects
from lvae.errors import UserError

SUBJECT_NAMES = (re.compile(r"(sub-[A-Za-z0-9]+)"), re.compile(r"(OAS\d_\d{4})"))


def read_volume_splits(folder: Path, config: BrainConfig) -> dict[str, Split]:
    """Every volume under `folder` (and its sub-folders), sliced, split by subject.

    A subject is `sub-NAME` (BIDS) or `OAS1_0001` where the path has one, otherwise the file's name.

    Raises:
      UserError: fewer than three subjects, or a volume that cannot be read or is empty.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and volumes.is_volume(path))
    subjects = [subject_of(path.relative_to(folder)) for path in paths]
    if len(set(subjects)) < len(SPLITS):
        raise UserError(
            f"{folder}: volumes of {len(set(subjects))} subjects ({len(paths)} files); expected "
            f"at least three, or the folders {', '.join(FOLDERS.values())}"
        )
    homes = split_subjects(subjects, config.fractions, config.seed)
    parts: dict[str, list[Split]] = {name: [] for name in SPLITS}
    for path, subject in zip(paths, subjects):
        parts[homes[subject]].append(slices_of(subject, slice_volume(path, config)))
    return {name: joined(split) for name, split in parts.items()}


def subject_of(path: Path) -> str:
    """The subject that a volume's path, relative to the data folder, speaks of."""
    for pattern in SUBJECT_NAMES:
        found = pattern.search(str(path))
        if found:
            return found.group(1)
    return path.name.split(".")[0]


def slice_volume(path: Path, config: BrainConfig) -> UInt8[np.ndarray, "slices size size"]:
    """Axial slices of one volume, evenly spaced where the head is wide, on a square field of view.

    Raises:
      UserError: the file cannot be read, or holds nothing above zero.
    """
    volume = volumes.canonical(volumes.read_volume(path))
    foreground = volume.array > 0
    if not foreground.any():
        raise UserError(f"{path}: no voxel above zero, an empty volume; remove it")
    white = np.percentile(volume.array[foreground], WINDOW_PERCENTILE)
    scaled = np.clip(volume.array / max(float(white), 1e-12), 0, 1)
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
