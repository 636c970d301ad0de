"""A whole scan through the networks: overlapping patches, one map of chances."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, PyTree
from scipy import ndimage

from lvae.data.scan_patches import fields_at
from lvae.data.stroke_scans import Channels, Scan, prepare
from lvae.imaging.tiling import window
from lvae.tasks.patches.examining import examine
from lvae.tasks.patches.settings import LesionDataSettings, LesionSamplingSettings, Settings


class HeatMap(NamedTuple):
    """On the grid of the channels that were scanned, axes right, anterior, superior.

    heat: float32, chance of a lesion, 0 to 1; 0 outside of the head. unusual: float32, deviations
    from what the healthy-only network foresees. image: float32 in [0, 1], the first channel.
    """

    heat: np.ndarray
    unusual: np.ndarray
    image: np.ndarray
    patches: int


def scan_volume(settings: Settings, params: PyTree, channels: Channels, name: str) -> HeatMap:
    """Every slice in patches `stride` pixels apart; each pixel is a mean over its patches.

    Args:
      settings: of the run.
      params: {"healthy", "finder"}.
      channels: of the scan, any of those known.
      name: of the file, for messages.

    Raises:
      UserError: the scan shows no head.
    """
    assert isinstance(settings.data, LesionDataSettings)
    scan = prepare(channels, settings.data.spacing_mm, name)
    odds, unusual, count = overlapping(settings, params, scan)
    first = np.flatnonzero(scan.image.any((0, 1, 2)))[0]
    shape = next(iter(channels.arrays.values())).shape
    heat = 1 / (1 + np.exp(-_resized(odds, shape)))
    head = _resized(scan.head.astype(np.float32), shape) > 0.5
    image = _resized(scan.image[..., first], shape)
    return HeatMap(
        np.where(head, heat, 0).astype(np.float32),
        np.where(head, _resized(unusual, shape), 0).astype(np.float32),
        image,
        count,
    )


def overlapping(
    settings: Settings, params: PyTree, scan: Scan
) -> tuple[Float[np.ndarray, "x y z"], Float[np.ndarray, "x y z"], int]:
    """Log odds of a lesion, residuals, and how many patches were looked at."""
    assert isinstance(settings.sampling, LesionSamplingSettings)
    size, stride = settings.data.size, settings.sampling.stride
    missing = [(0, max(0, size - length)) for length in scan.head.shape[:2]] + [(0, 0)]
    padded = scan._replace(
        image=np.pad(scan.image, [*missing, (0, 0)]),
        mirror=np.pad(scan.mirror, [*missing, (0, 0)]),
        sided=np.pad(scan.sided, [*missing, (0, 0)]),
        head=np.pad(scan.head, missing),
    )
    columns, rows = (
        starts(low, high, size, stride, length)
        for (low, high), length in zip(box(padded.head), padded.head.shape)
    )
    corners = np.array(
        [
            (x, y, z)
            for x in columns
            for y in rows
            for z in np.flatnonzero(padded.head[x : x + size, y : y + size].any((0, 1)))
        ]
    )
    found = examine(settings, params, fields_at(padded, corners, size))
    weights = window(size)[..., 0].astype(np.float32)
    total = np.zeros((2, *padded.head.shape), np.float32)
    share = np.full(padded.head.shape, 1e-9, np.float32)
    for (x, y, z), odds, residual in zip(corners, found.odds, found.residual):
        place = (slice(x, x + size), slice(y, y + size), z)
        total[0][place] += weights * odds
        total[1][place] += weights * residual
        share[place] += weights
    odds, residual = (total / share)[:, : scan.head.shape[0], : scan.head.shape[1]]
    spot = settings.evaluation.spot
    return (
        np.where(scan.head, odds, -20.0).astype(np.float32),
        ndimage.uniform_filter(residual, (spot, spot, 0), mode="constant"),
        len(corners),
    )


def box(head: Bool[np.ndarray, "x y z"]) -> list[tuple[int, int]]:
    """First and last pixel of the head along both axes of the plane."""
    lines = [np.flatnonzero(head.any((1 - axis, 2))) for axis in range(2)]
    return [(int(line[0]), int(line[-1])) for line in lines]


def starts(low: int, high: int, size: int, stride: int, length: int) -> list[int]:
    """First pixels of patches `stride` apart that cover low to high of an axis of `length`."""
    low = max(0, min(low - stride // 2, length - size))
    last = min(length, high + 1 + stride // 2)
    return sorted({*range(low, max(low + 1, last - size), stride), max(low, last - size)})


def _resized(array: np.ndarray, shape: tuple[int, ...]) -> Float[np.ndarray, "x y z"]:
    """From the network's pixels to the scan's."""
    if array.shape == shape:
        return array
    factors = [new / old for new, old in zip(shape, array.shape)]
    return ndimage.zoom(array, factors, order=1, mode="nearest", grid_mode=True)
