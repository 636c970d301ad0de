"""A stroke patient's scan as the networks see it: channels on one grid, one scale, and mirrored.

What a lesion shows is that one side has it and the other does not: every channel comes with itself
reflected in the head's plane of symmetry, which is found from the image.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, optimize

from lvae.data import volumes
from lvae.data.heads import head_of, unshifted
from lvae.data.problems import Refused, refused

CHANNELS = ("dwi", "adc", "flair")  # in this order everywhere; a scan has one or more of them
REACH = 4.0  # white is this many times what tissue has
# Percentiles of the head within which its commonest value is that of tissue, and bins in between.
COMMON, BINS = (5.0, 80.0), 64
# A coil's shading: what tissue has around a place, by means of voxels between these multiples of what
# it has in the whole head. Lesions, fluid and bright bands lie outside.
SHADED = ("dwi", "flair")  # an ADC is a ratio, which no coil changes
TISSUE, SHADING_MM = (0.6, 1.6), 40.0  # mm: side of a box, three of which are like a Gaussian
LEAST_TISSUE = 0.02  # share of a box; with less the whole head's level is taken
SMALLEST_HEAD = 1000  # voxels
SAME_SPACING = 0.02  # relative; closer pixels are not resampled
PLANE_MM = 7.0  # voxels on which the plane of symmetry is sought
BESIDE_MM = 4.0  # to the slices above and below that are looked at, about
# What stands out from its surroundings, and not on the other side: sigmas, and half-width of the
# mirrored neighbourhood, since the two sides of a head never quite match.
FINE_MM, AROUND_MM, NEAR_MM = 1.0, 8.0, 4.0
LEAST_DEVIATION = 0.003  # of the range: what is flatter than that is noise
SIGNS = {"dwi": 1.0, "adc": -1.0, "flair": 1.0}  # a lesion is bright, and dark in the ADC map
FARTHEST = 4.0  # deviations; what stands out more counts as much


class Channels(NamedTuple):
    """arrays: by name, axes right, anterior, superior, on one grid. spacing: mm, of its voxels."""

    arrays: Mapping[str, Float[np.ndarray, "x y z"]]
    spacing: tuple[float, float, float]


class Scan(NamedTuple):
    """What the networks see. Values in [0, 1], 0 outside of the head and in absent channels.

    image: of CHANNELS, on pixels of one size. mirror: the other side's value at each voxel. sided:
    how much a voxel stands out as a lesion does, see `sided`; 0.5 is not at all. head: where there
    is one. spacing: mm. beside: slices from one to those seen above and below it.
    """

    image: Float[np.ndarray, "x y z channels"]
    mirror: Float[np.ndarray, "x y z channels"]
    sided: Float[np.ndarray, "x y z channels"]
    head: Bool[np.ndarray, "x y z"]
    spacing: tuple[float, float, float]
    beside: int


def read_channels(
    files: Mapping[str, Path], name: str = ""
) -> tuple[Channels, volumes.Volume, volumes.Volume]:
    """Channels from their files, on the grid of the first of them in the order of CHANNELS.

    Another grid is resampled (nibabel, linear). Axes are turned without interpolation.

    Returns:
      the channels, the first channel's volume turned so, and as it is in its file.

    Raises:
      UserError: no channel, files that are no volumes.
    """
    assert files, "a scan has one channel or more"
    order = [channel for channel in CHANNELS if channel in files]
    given = _read(files[order[0]], name)
    first = volumes.canonical(given)
    arrays = {order[0]: first.array}
    for channel in order[1:]:
        volume = volumes.canonical(_read(files[channel], name))
        arrays[channel] = on_grid(volume, first)
    return Channels(arrays, first.info.voxel_size), first, given


def on_grid(volume: volumes.Volume, grid: volumes.Volume) -> Float[np.ndarray, "x y z"]:
    """The volume's values on another's grid; outside of it its background."""
    same = volume.array.shape == grid.array.shape
    if same and np.allclose(volume.affine, grid.affine, atol=0.1):
        return volume.array
    import nibabel
    from nibabel.processing import resample_from_to

    image = nibabel.Nifti1Image(unshifted(volume.array), volume.affine)
    target = (grid.array.shape, grid.affine)
    return np.asarray(resample_from_to(image, target, order=1).dataobj, np.float32)


def _read(path: Path, name: str) -> volumes.Volume:
    try:
        return volumes.read_volume(path)
    except Refused as error:
        if not name:
            raise
        first = error.problems[0]
        raise refused(f"case {name}: {first.path}", first.problem, first.remedy) from error


def prepare(channels: Channels, spacing_mm: float, name: str) -> Scan:
    """The scan on pixels of `spacing_mm`; slices stay.

    Raises:
      UserError: the first channel shows no head.
    """
    order = [channel for channel in CHANNELS if channel in channels.arrays]
    arrays = {
        channel: in_plane(channels.arrays[channel], channels.spacing, spacing_mm, order=1)
        for channel in order
    }
    head = head_of(arrays[order[0]])
    if head.sum() < SMALLEST_HEAD:
        raise refused(
            name,
            f"shows a head of {int(head.sum())} voxels (expected {SMALLEST_HEAD} or more)",
            "is it an image of a head?",
        )
    spacing = tuple(
        new * size / count
        for new, size, count in zip(channels.spacing, channels.arrays[order[0]].shape, head.shape)
    )
    parts = [
        _scaled(arrays[channel], head, channel, spacing)
        if channel in arrays
        else np.zeros(head.shape, np.float32)
        for channel in CHANNELS
    ]
    image = np.stack(parts, -1)
    plane = symmetry_plane(image[..., CHANNELS.index(order[0])], spacing)
    mirror = np.stack(
        [reflected(part, plane, spacing) if part.any() else part for part in parts], -1
    )
    apart = [
        0.5 + sided(part, head, SIGNS[channel], plane, spacing) / (2 * FARTHEST)
        if part.any()
        else part
        for channel, part in zip(CHANNELS, parts)
    ]
    return Scan(
        image, mirror, np.stack(apart, -1), head, spacing, max(1, round(BESIDE_MM / spacing[2]))
    )


def sided(
    image: Float[np.ndarray, "x y z"],
    head: Bool[np.ndarray, "x y z"],
    sign: float,
    plane: Float[np.ndarray, " 4"],
    spacing: tuple[float, float, float],
) -> Float[np.ndarray, "x y z"]:
    """How much more a voxel stands out from its surroundings than the other side does anywhere
    near, in deviations of the surroundings; within +-FARTHEST, 0 outside of the head.

    What both sides have is no lesion, nor is what stands out where all is uneven, as where brain
    meets air.
    """
    inside = head.astype(np.float32)
    fine, around = ([size / step for step in spacing] for size in (FINE_MM, AROUND_MM))
    weight = np.maximum(ndimage.gaussian_filter(inside, around), 0.1)
    mean = ndimage.gaussian_filter(image * inside, around) / weight
    square = ndimage.gaussian_filter((image - mean) ** 2 * inside, around) / weight
    contrast = sign * (ndimage.gaussian_filter(image, fine) - mean)
    near = [2 * round(NEAR_MM / step) + 1 for step in spacing]
    other = ndimage.maximum_filter(reflected(contrast * inside, plane, spacing), near)
    deviations = (contrast - other) / np.sqrt(square + LEAST_DEVIATION**2)
    return np.where(head, np.clip(deviations, -FARTHEST, FARTHEST), 0).astype(np.float32)


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
    if order:  # finer pixels are averaged, not skipped
        array = ndimage.gaussian_filter(array, [max(0.0, 0.4 / factor - 0.4) for factor in factors])
    return ndimage.zoom(array, factors, order=order, mode="nearest", grid_mode=True)


def normalise(
    array: Float[np.ndarray, "x y z"], head: Bool[np.ndarray, "x y z"]
) -> Float[np.ndarray, "x y z"]:
    """[0, 1], tissue at 1 / REACH; 0 outside of the head.

    The scale is the head's commonest value: lesions, bright bands and wide ventricles do not move
    it, as they move a mean or a percentile, and units do not matter.
    """
    array = unshifted(array)
    tissue = _commonest(array[head])
    if tissue <= 0:  # no more than a few voxels of this channel
        tissue = max(float(array[head].max()), 1e-12) / REACH
    scaled = np.clip(array / (REACH * tissue), 0, 1)
    return np.where(head, scaled, 0).astype(np.float32)


def _scaled(
    array: Float[np.ndarray, "x y z"],
    head: Bool[np.ndarray, "x y z"],
    channel: str,
    spacing: tuple[float, float, float],
) -> Float[np.ndarray, "x y z"]:
    scaled = normalise(array, head)
    return unshaded(scaled, head, spacing) if channel in SHADED else scaled


def unshaded(
    image: Float[np.ndarray, "x y z"],
    head: Bool[np.ndarray, "x y z"],
    spacing: tuple[float, float, float],
) -> Float[np.ndarray, "x y z"]:
    """The image divided by how bright tissue is around each place; tissue at 1 / REACH everywhere."""
    low, high = TISSUE
    tissue = (head & (low / REACH < image) & (image < high / REACH)).astype(np.float32)
    sides = [max(1, round(SHADING_MM / 2 / step)) for step in spacing]
    share, level = tissue, image * tissue
    for _ in range(3):
        share, level = (ndimage.uniform_filter(part, sides) for part in (share, level))
    level = (level + LEAST_TISSUE / REACH) / (share + LEAST_TISSUE)
    return np.clip(image / (REACH * level), 0, 1)


def _commonest(values: Float[np.ndarray, " n"]) -> float:
    low, high = np.percentile(values, COMMON)
    counts, edges = np.histogram(values, BINS, (low, max(high, low + 1e-12)))
    place = int(ndimage.gaussian_filter1d(counts.astype(np.float64), 2.0).argmax())
    return float(edges[place] + edges[place + 1]) / 2


def symmetry_plane(
    image: Float[np.ndarray, "x y z"], spacing: tuple[float, float, float]
) -> Float[np.ndarray, " 4"]:
    """Unit normal and offset (mm) of the plane in which the image is most like its reflection.

    Places are in mm, from the middle of the array. Sought on a coarse copy by the method of Nelder
    and Mead.
    """
    factors = [min(1.0, step / PLANE_MM) for step in spacing]
    smooth = ndimage.gaussian_filter(image, [0.5 / factor - 0.5 for factor in factors])
    coarse = ndimage.zoom(np.sqrt(smooth), factors, order=1, grid_mode=True, mode="nearest")
    steps = tuple(
        step * size / count for step, size, count in zip(spacing, image.shape, coarse.shape)
    )
    weights = coarse.sum((1, 2))
    line = (np.arange(len(weights)) - (len(weights) - 1) / 2) * steps[0]
    start = np.array([0.0, 0.0, float(weights @ line / max(weights.sum(), 1e-12))])

    def unlike(values: np.ndarray) -> float:
        return float(np.square(coarse - reflected(coarse, _plane(values), steps)).sum())

    simplex = start + np.array([[0, 0, 0], [0.08, 0, 0], [0, 0.08, 0], [0, 0, 4.0]])
    found = optimize.minimize(
        unlike,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 0.005, "fatol": 1e-3, "maxfev": 60},
    )
    return _plane(found.x)


def _plane(values: np.ndarray) -> Float[np.ndarray, " 4"]:
    """From the normal's slopes against the first axis, and the offset along it."""
    normal = np.array([1.0, values[0], values[1]])
    length = np.linalg.norm(normal)
    return np.array([*normal / length, values[2] / length])


def reflected(
    image: Float[np.ndarray, "x y z"],
    plane: Float[np.ndarray, " 4"],
    spacing: tuple[float, float, float],
) -> Float[np.ndarray, "x y z"]:
    """The image's value at the reflection of each voxel in a plane; 0 beyond its edge."""
    normal, offset = plane[:3], plane[3]
    sizes = np.array(spacing)
    turn = np.eye(3) - 2 * np.outer(normal, normal)  # of places in mm
    matrix = turn * sizes[None, :] / sizes[:, None]
    middle = (np.array(image.shape) - 1) / 2
    shift = middle + 2 * offset * normal / sizes - matrix @ middle
    return ndimage.affine_transform(image, matrix, shift, order=1).astype(np.float32)
