"""Axial brain slices by subject: OASIS PNG folders, a folder of volumes, or built-in
pseudo-subjects.

A slice is an uint8 image, black background, anterior up, the subject's left to the right of the
middle column as stored (RAS columns ascend to the right). All slices of a subject are in one split.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from lvae.data import volumes
from lvae.errors import UserError

SPLITS = ("train", "validation", "test")
FOLDERS = {  # as OASIS is passed on
    "train": "keras_png_slices_train",
    "validation": "keras_png_slices_validate",
    "test": "keras_png_slices_test",
}
PNG_NAME = re.compile(r"^(?:case|seg)_(\d+)_slice_(\d+)(?:\.nii)?\.png$")
SUBJECT_NAMES = (re.compile(r"(sub-[A-Za-z0-9]+)"), re.compile(r"(OAS\d_\d{4})"))
LOWEST_MM, HIGHEST_MM = -18.0, 50.0  # of the MNI space: the axial slices in which the brain is wide
WINDOW_PERCENTILE = 99.5  # of a volume's foreground: white


@dataclasses.dataclass(frozen=True)
class BrainConfig:
    """Where slices come from; see `configs/vqvae_brain.py` for units and reasons."""

    path: str
    size: int
    field_of_view_mm: float
    slices: int
    subjects: tuple[int, ...]
    fractions: tuple[float, ...]
    seed: int

    def __post_init__(self) -> None:
        if self.size < 16 or self.size % 16:
            raise ValueError(f"size {self.size}: expected a multiple of 16, at least 16")
        if self.slices < 1:
            raise ValueError(f"slices {self.slices}: expected at least 1")
        if len(self.subjects) != 3 or min(self.subjects) < 1:
            raise ValueError(f"subjects {self.subjects}: expected three counts of at least 1")
        if (
            len(self.fractions) != 3
            or min(self.fractions) <= 0
            or abs(sum(self.fractions) - 1) > 1e-6
        ):
            raise ValueError(f"fractions {self.fractions}: expected three that add up to 1")


Split = dict[str, np.ndarray]


@functools.lru_cache(maxsize=2)
def load(config: BrainConfig) -> dict[str, Split]:
    """The three splits, each {"image": uint8 (N, size, size), "subject": str (N,), "slice": int32
    (N,)}.

    Raises:
      UserError: nothing to read, a file that is no slice or volume, or a subject in two splits.
    """
    if config.path == "":
        splits = pseudo_subjects(config)
    else:
        folder = Path(config.path)
        if not folder.is_dir():
            raise UserError(
                f"{folder}: no such folder; expected {', '.join(FOLDERS.values())}, or volumes"
            )
        if any((folder / name).is_dir() for name in FOLDERS.values()):
            splits = read_png_splits(folder, config.size)
        else:
            splits = read_volume_splits(folder, config)
    check_subjects(splits)
    for split in splits.values():
        for array in split.values():
            array.setflags(write=False)  # the same arrays go to every caller
    return splits


def check_subjects(splits: dict[str, Split]) -> None:
    """Every subject is in one split only.

    Raises:
      UserError: names the subject and the two splits.
    """
    home: dict[str, str] = {}
    for name, split in splits.items():
        for subject in np.unique(split["subject"]):
            if home.setdefault(str(subject), name) != name:
                raise UserError(
                    f"subject {subject} is in both {home[str(subject)]} and {name}: measures on "
                    "held-out slices would mean nothing; move all its slices to one split"
                )


# ---------------------------------------------------------------------------- PNG slices


def read_png_splits(folder: Path, size: int) -> dict[str, Split]:
    """`keras_png_slices_train`, `_validate` and `_test` under `folder`.

    Raises:
      UserError: a folder is missing or empty, or a file is no slice (see `read_png`).
    """
    return {split: read_png_folder(folder / name, size) for split, name in FOLDERS.items()}


def read_png_folder(folder: Path, size: int) -> Split:
    """All slices of one folder, ordered by case, then slice.

    Raises:
      UserError: no such folder, no PNG in it, a name that is not case_NNN_slice_N.nii.png, or see
        `read_png`.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected PNGs named case_001_slice_0.nii.png")
    paths = sorted(path for path in folder.glob("*.png") if not path.name.startswith("."))
    if not paths:
        raise UserError(f"{folder}: no PNG files; expected names like case_001_slice_0.nii.png")
    keyed = []
    for path in paths:
        match = PNG_NAME.match(path.name)
        if match is None:
            raise UserError(
                f"{path}: the name says no case and slice; expected case_001_slice_0.nii.png"
            )
        keyed.append((match.group(1), int(match.group(2)), path))
    keyed.sort(key=lambda item: (item[0], item[1]))
    return {
        "image": np.stack([read_png(path, size) for _, _, path in keyed]),
        "subject": np.array([f"case_{case}" for case, _, _ in keyed]),
        "slice": np.array([index for _, index, _ in keyed], np.int32),
    }


def read_png(path: Path, size: int) -> UInt8[np.ndarray, "size size"]:
    """One grey 8-bit image, averaged over blocks down to `size`.

    Raises:
      UserError: unreadable, not 8-bit grey, not square, no multiple of `size`, or without content.
    """
    try:
        with Image.open(path) as image:
            mode, pixels = image.mode, np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"{path}: cannot be read as an image ({reason}); fetch it again") from error
    if mode != "L":
        raise UserError(f"{path}: image of mode {mode}; expected 8-bit grey (mode L)")
    height, width = pixels.shape
    if height != width or height % size:
        raise UserError(
            f"{path}: {width} x {height} pixels; expected a square of {size} or a multiple of it"
        )
    if pixels.min() == pixels.max():
        raise UserError(f"{path}: every pixel is {int(pixels[0, 0])}, an empty slice; remove it")
    block = height // size
    if block == 1:
        return pixels.copy()
    means = pixels.reshape(size, block, size, block).mean((1, 3))
    return np.rint(means).astype(np.uint8)


def read_images(folder: Path, config: BrainConfig) -> tuple[list[str], UInt8[np.ndarray, "n h w"]]:
    """Names and images of a folder given to sample.py: PNGs of any name, or volumes, which are
    sliced.

    Raises:
      UserError: no such folder, nothing in it, or a file that cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected PNG slices or volumes")
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    slices = [path for path in paths if path.suffix.lower() == ".png"]
    if slices:
        names = [path.stem.removesuffix(".nii") for path in slices]
        return names, np.stack([read_png(path, config.size) for path in slices])
    names, images = [], []
    for path in paths:
        if path.is_file() and volumes.is_volume(path):
            sliced = slice_volume(path, config)
            names += [f"{path.name.split('.')[0]}_slice_{index}" for index in range(len(sliced))]
            images.append(sliced)
    if not images:
        raise UserError(f"{folder}: no PNG slices and no volumes in it")
    return names, np.concatenate(images)


# ------------------------------------------------------------------------------- volumes


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
        images = slice_volume(path, config)
        parts[homes[subject]].append(
            {
                "image": images,
                "subject": np.array([subject] * len(images)),
                "slice": np.arange(len(images), dtype=np.int32),
            }
        )
    return {name: _joined(split) for name, split in parts.items()}


def subject_of(path: Path) -> str:
    """The subject that a volume's path, relative to the data folder, speaks of."""
    for pattern in SUBJECT_NAMES:
        found = pattern.search(str(path))
        if found:
            return found.group(1)
    return path.name.split(".")[0]


def split_subjects(
    subjects: Iterable[str], fractions: Sequence[float], seed: int
) -> dict[str, str]:
    """Subject -> split; every split gets at least one subject. Independent of the order given."""
    names = sorted(set(subjects))
    order = np.random.default_rng(seed).permutation(len(names))
    held_out = [max(1, round(fraction * len(names))) for fraction in fractions[1:]]
    bounds = np.cumsum([len(names) - sum(held_out), *held_out])
    which = np.searchsorted(bounds, np.arange(len(names)), side="right")
    return {names[index]: SPLITS[part] for index, part in zip(order, which)}


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
    pixel = config.field_of_view_mm / config.size
    across = (np.arange(config.size) - (config.size - 1) / 2) * pixel
    columns = middle[0] + across / volume.info.voxel_size[0]
    rows = middle[1] - across / volume.info.voxel_size[1]  # anterior up
    grid = np.meshgrid(levels, rows, columns, indexing="ij")
    sampled = ndimage.map_coordinates(scaled, [grid[2], grid[1], grid[0]], order=1)
    return np.rint(255 * sampled).astype(np.uint8)


# ----------------------------------------------------------------------- pseudo-subjects


def pseudo_subjects(config: BrainConfig) -> dict[str, Split]:
    """Splits of pseudo-subjects made from the MNI152 template; the same for the same config.

    Raises:
      UserError: nilearn is not installed.
    """
    template, _ = volumes.template(1)
    splits, first = {}, 0
    for name, count in zip(SPLITS, config.subjects):
        parts = []
        for index in range(first, first + count):
            images = pseudo_subject(template.array, template.affine, config, index)
            parts.append(
                {
                    "image": images,
                    "subject": np.array([f"pseudo_{index:04d}"] * config.slices),
                    "slice": np.arange(config.slices, dtype=np.int32),
                }
            )
        splits[name], first = _joined(parts), first + count
    return splits


def pseudo_subject(
    template: Float[np.ndarray, "x y z"],
    affine: Float[np.ndarray, "4 4"],
    config: BrainConfig,
    index: int,
) -> UInt8[np.ndarray, "slices size size"]:
    """One subject: the template seen through a random head position, shape, coil and sequence.

    Position and size: rotations (sd 3 degrees), shifts (2 mm), a scale an axis (4 %). Shape: smooth
    displacements with knots 40 mm apart (sd 4 mm) and 18 mm apart (1 mm), ventricles wider or
    narrower. Coil: a smooth gain (sd 10 %). Sequence: another grey value for each tissue, a gamma,
    Rician noise (sd 1 % of white).
    """
    random = np.random.default_rng([config.seed, index])
    pixel = config.field_of_view_mm / config.size
    across = (np.arange(config.size) - (config.size - 1) / 2) * pixel
    spacing = (HIGHEST_MM - LOWEST_MM) / max(config.slices - 1, 1)
    levels = np.linspace(LOWEST_MM, HIGHEST_MM, config.slices) + random.uniform(-0.5, 0.5) * spacing
    # The template's brain reaches from -107 to 74 mm: its middle is 17 mm behind the origin.
    axes = (levels, -across - 17.0, across)
    z, y, x = np.meshgrid(*axes, indexing="ij")
    places = np.stack([x, y, z])  # mm

    tilt = np.deg2rad(random.normal(0, 3.0, 3))
    scale = 1 + random.normal(0, 0.04, 3) + random.normal(0, 0.02)
    centre = np.array([0.0, -17.0, 15.0])
    linear = _rotation(tilt) / scale
    shift = centre + random.normal(0, 2.0, 3) - linear @ centre
    moved = np.tensordot(linear, places, 1) + shift[:, None, None, None]
    for knots_mm, deviation_mm in ((40.0, 4.0), (18.0, 1.0)):
        moved += deviation_mm * _smooth_fields(random, 3, axes, knots_mm)
    ventricles = np.array([0.0, -12.0, 14.0])[:, None, None, None]
    away = moved - ventricles
    nearness = np.exp(-((away / np.array([22.0, 38.0, 26.0])[:, None, None, None]) ** 2).sum(0))
    moved -= random.normal(0, 0.16) * nearness * away

    voxels = np.tensordot(np.linalg.inv(affine)[:3, :3], moved, 1)
    voxels += np.linalg.inv(affine)[:3, 3][:, None, None, None]
    image = ndimage.map_coordinates(template, voxels, order=1)

    # Grey values of background, fluid, grey matter, white matter, brightest, as in the template ...
    before = np.array([0.0, 0.25, 0.62, 0.86, 1.2])
    after = before + np.array([0.0, *random.normal(0, [0.05, 0.05, 0.04, 0.04])])
    after = np.maximum.accumulate(after) ** np.exp(
        random.normal(0, 0.12)
    )  # ... and in this subject
    inside = np.clip(image / 0.08, 0, 1)  # keeps the background black
    image = np.interp(image, before, after) * inside
    image *= np.exp(0.10 * _smooth_fields(random, 1, axes, 70.0)[0])
    noise = random.normal(0, 0.01, (2, *image.shape))
    image = np.hypot(image + noise[0], noise[1]) * inside
    image /= np.percentile(image[image > volumes.MASK_THRESHOLD], WINDOW_PERCENTILE)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def _rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation about x, then y, then z, radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        first, second = [other for other in range(3) if other != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _smooth_fields(
    random: np.random.Generator, count: int, axes: Sequence[np.ndarray], knots_mm: float
) -> Float[np.ndarray, "count z y x"]:
    """Random fields of unit deviation on a grid: cubic B-splines with independent normal weights.

    The splines are separable, so a field costs three small matrix products.
    """
    bases = [_spline_basis(axis, knots_mm) for axis in axes]
    fields = random.normal(size=(count, *(basis.shape[1] for basis in bases)))
    for axis, basis in enumerate(bases, start=1):
        fields = np.moveaxis(np.tensordot(fields, basis, (axis, 1)), -1, axis)
    return fields


def _spline_basis(places: np.ndarray, spacing: float) -> Float[np.ndarray, "places knots"]:
    """Cubic B-spline weights of knots `spacing` apart; each row scaled to unit length (unit
    variance)."""
    ordered = np.sort(places)
    knots = np.arange(ordered[0] - 2 * spacing, ordered[-1] + 2 * spacing, spacing)
    distance = np.abs(places[:, None] - knots[None]) / spacing
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def _joined(parts: Sequence[Split]) -> Split:
    return {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}
