"""Scans cut into axial patches with labels and positions."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, UInt8

from lvae.data.stroke_scans import Scan

BESIDE_CHANNELS = 2  # of CHANNELS that are also seen in the slices above and below
HEAD, LESION = 1, 2  # of the field `tissue`; 0 is background


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """How volumes become patches; see `configs/patches.py`."""

    size: int
    spacing_mm: float
    slice_mm: float
    head_share: float
    lesion_share: float

    def __post_init__(self) -> None:
        if self.size < 4:
            raise ValueError(f"size={self.size}: must be at least 4 pixels")
        for name in ("spacing_mm", "slice_mm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be above 0 mm")
        if not 0 < self.head_share <= 1:
            raise ValueError(f"head_share={self.head_share}: must be in (0, 1]")
        if not 0 <= self.lesion_share < 1:
            raise ValueError(f"lesion_share={self.lesion_share}: must be in [0, 1)")


def patches_of(
    scan: Scan, lesion: Bool[np.ndarray, "x y z"], config: PatchConfig
) -> dict[str, np.ndarray]:
    """Axial patches that do not overlap, on a grid in the middle of the plane.

    Args:
      scan: prepared with config.spacing_mm.
      lesion: on the grid of the scan.
      config: how it is cut.

    Returns:
      the fields of `fields_at` and label, int32 (N,), 1 where more than `lesion_share` of the patch
      is lesion; share, float32 (N,), that share. Patches of which less than `head_share` is head are
      dropped.
    """
    size = config.size
    columns, rows = (length // size for length in scan.head.shape[:2])
    starts = [(length - length // size * size) // 2 for length in scan.head.shape[:2]]
    filled = np.flatnonzero(scan.head.any((0, 1)))
    step = max(1, round(config.slice_mm / scan.spacing[2]))
    corners = np.array(
        [
            (starts[0] + x * size, starts[1] + y * size, z)
            for z in range(filled[0], filled[-1] + 1, step)
            for x in range(columns)
            for y in range(rows)
        ],
        np.int64,
    ).reshape(-1, 3)
    inside = cut(scan.head[..., None], corners, size)[..., 0].mean((1, 2))
    corners = corners[inside >= config.head_share]
    fields = fields_at(scan, corners, size)
    ill = cut(lesion[..., None], corners, size)[..., 0]
    fields["tissue"] = np.where(ill & (fields["tissue"] > 0), LESION, fields["tissue"]).astype(
        np.uint8
    )
    share = ill.mean((1, 2)).astype(np.float32)
    return fields | {"label": (share > config.lesion_share).astype(np.int32), "share": share}


def fields_at(scan: Scan, corners: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """What the networks see of square patches whose first voxels are `corners`, (N, 3).

    Returns:
      image, uint8 (N, size, size), DWI, rows to the right and columns to the front; others, uint8
      (N, size, size, 2), the other channels; mirror, uint8 (N, size, size, 3), all channels of the
      other side; sided, uint8 (N, size, size, 3), what stands out on one side only; beside, uint8
      (N, size, size, 4), the same of DWI and ADC in the slices below and above;
      tissue, uint8 (N, size, size), 0 background, 1 head; position, float32 (N, 3), centre within
      the head's box, -1 to 1 from left, back and below.
    """
    image = cut(scan.image, corners, size)
    last = scan.head.shape[2] - 1
    beside = []
    for step in (-scan.beside, scan.beside):
        places = corners.copy()
        places[:, 2] = np.clip(places[:, 2] + step, 0, last)
        beside.append(cut(scan.sided[..., :BESIDE_CHANNELS], places, size))
    centres = corners + np.array([(size - 1) / 2, (size - 1) / 2, 0])
    return {
        "image": _levels(image[..., 0]),
        "others": _levels(image[..., 1:]),
        "mirror": _levels(cut(scan.mirror, corners, size)),
        "sided": _levels(cut(scan.sided, corners, size)),
        "beside": _levels(np.concatenate(beside, -1)),
        "tissue": cut(scan.head[..., None], corners, size)[..., 0].astype(np.uint8),
        "position": positions(centres, scan.head),
    }


def cut(array: np.ndarray, corners: np.ndarray, size: int) -> np.ndarray:
    """(N, size, size, channels) of a volume (x, y, z, channels); all corners well inside."""
    windows = np.lib.stride_tricks.sliding_window_view(array, (size, size), (0, 1))
    if not len(corners):
        return np.zeros((0, size, size, array.shape[-1]), array.dtype)
    return windows[tuple(corners.T)].transpose(0, 2, 3, 1)


def _levels(values: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    return np.rint(255 * values).astype(np.uint8)


def positions(
    voxels: Float[np.ndarray, "n 3"], head: Bool[np.ndarray, "x y z"]
) -> Float[np.ndarray, "n 3"]:
    """Voxel indices as places in the head's box: -1 to 1 along each axis."""
    scaled = []
    for axis in range(3):
        inside = np.flatnonzero(head.any(tuple(other for other in range(3) if other != axis)))
        low, high = inside[0], inside[-1]
        scaled.append(2 * (voxels[:, axis] - low) / max(high - low, 1) - 1)
    return np.stack(scaled, -1).astype(np.float32)
