"""A whole volume through the healthy-only network: overlapping patches, one heat map."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, PyTree
from scipy import ndimage

from lvae.data import isles
from lvae.data.volumes import Volume, canonical
from lvae.errors import UserError
from lvae.tasks.patches.measures import scan, spot_map
from lvae.tasks.patches.settings import LesionDataSettings, LesionSamplingSettings, Settings


class HeatMap(NamedTuple):
    """Both on the grid of the volume that was scanned.

    heat: float32, how much brighter than foreseen (of the normalised range), 0 outside of the head.
    image: float32 in [0, 1], the normalised volume.
    """

    heat: np.ndarray
    image: np.ndarray
    patches: int


def scan_volume(settings: Settings, params: PyTree, volume: Volume, name: str) -> HeatMap:
    """Every slice in patches `stride` pixels apart; each pixel is the mean over its patches.

    Args:
      settings: of the run.
      params: of the healthy-only network.
      volume: in any orientation and pixel size.
      name: of the file, for messages.

    Raises:
      UserError: the volume shows no head.
    """
    assert isinstance(settings.data, LesionDataSettings)  # digits have no volumes
    upright = canonical(volume)
    array = isles.in_plane(
        upright.array, upright.info.voxel_size, settings.data.spacing_mm, order=1
    )
    head = isles.head_of(array)
    if head.sum() < isles.SMALLEST_HEAD:
        raise UserError(
            f"{name}: shows a head of {int(head.sum())} voxels (expected {isles.SMALLEST_HEAD} or "
            "more); is it an image of a head?"
        )
    image = isles.normalise(array, head, settings.data.median)
    heat, count = overlapping(settings, params, image, head)
    maps = [_back(part, upright.array.shape, upright, volume) for part in (heat, image)]
    return HeatMap(maps[0], maps[1], count)


def overlapping(
    settings: Settings,
    params: PyTree,
    image: Float[np.ndarray, "x y z"],
    head: Bool[np.ndarray, "x y z"],
) -> tuple[Float[np.ndarray, "x y z"], int]:
    """The heat map of a normalised volume, and how many patches were looked at."""
    assert isinstance(settings.sampling, LesionSamplingSettings)
    size, stride = settings.data.size, settings.sampling.stride
    missing = [(0, max(0, size - length)) for length in image.shape[:2]] + [(0, 0)]
    bytes_ = np.rint(255 * np.pad(image, missing)).astype(np.uint8)
    filled = np.pad(head, missing)
    corners = [
        (x, y, z)
        for x in starts(bytes_.shape[0], size, stride)
        for y in starts(bytes_.shape[1], size, stride)
        for z in np.flatnonzero(filled[x : x + size, y : y + size].any((0, 1)))
    ]
    patches = np.stack([bytes_[x : x + size, y : y + size, z] for x, y, z in corners])
    residual = patches / np.float32(255) - scan(settings, params, patches).rebuilt
    maps = spot_map(residual, settings.evaluation).astype(np.float32)
    total = np.zeros(bytes_.shape, np.float32)
    times = np.zeros(bytes_.shape, np.float32)
    for (x, y, z), part in zip(corners, maps):
        total[x : x + size, y : y + size, z] += part
        times[x : x + size, y : y + size, z] += 1
    heat = np.where(filled, total / np.maximum(times, 1), 0)
    return heat[: image.shape[0], : image.shape[1]], len(corners)


def starts(length: int, size: int, stride: int) -> list[int]:
    """First pixels of patches `stride` apart that cover `length`; the last one ends with it."""
    return sorted({*range(0, length - size, stride), length - size})


def _back(
    array: np.ndarray, shape: tuple[int, ...], upright: Volume, volume: Volume
) -> Float[np.ndarray, "x y z"]:
    """From the network's pixels and axes to the input's."""
    if array.shape != shape:
        factors = [new / old for new, old in zip(shape, array.shape)]
        array = ndimage.zoom(array, factors, order=1, mode="nearest", grid_mode=True)
    # Where the input's axes lie among the upright ones: a signed permutation.
    turn = np.linalg.inv(upright.affine[:3, :3]) @ volume.affine[:3, :3]
    order = [int(np.abs(turn[:, axis]).argmax()) for axis in range(3)]
    flips = tuple(axis for axis in range(3) if turn[order[axis], axis] < 0)
    return np.ascontiguousarray(np.flip(array.transpose(order), flips), np.float32)
