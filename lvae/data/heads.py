"""Where the head is in a volume, also after its values were shifted.

Tools that standardise a skull-stripped volume subtract the mean: half of the brain is then below
zero. What surrounds a stripped head is one constant, whatever its value, and that tells the head
from it.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

BRIGHT_SHARE = 0.1  # of the bright end: what is darker is background
DARKEST = (
    0.25  # of the bright end: what the darkest voxel of a shifted head gets, as fluid has in T1
)
FAR_BELOW = 0.05  # of the bright end: what an interpolation leaves below zero is less
SHIFTED_SHARE = 0.05  # of the voxels that are not background: so many below zero mean a shift
CONSTANT_SHARE = 0.5  # of the volume's faces: so much of one value means a stripped head
WARN_SHARE = 0.005  # of all voxels


class Shift(NamedTuple):
    """What is below zero in a volume. share: of all voxels, that far below zero that an
    interpolation does not explain it. background: the constant around a shifted head, or None."""

    share: float
    background: float | None


def shift_of(array: Float[np.ndarray, "x y z"]) -> Shift:
    """Whether a volume was shifted, and around what constant."""
    if not array.size or array.min() >= 0:
        return Shift(0.0, None)
    bright = np.percentile(np.abs(array[array != 0]), 99)
    below = array < -FAR_BELOW * bright
    share = float(below.mean())
    faces = np.concatenate(
        [np.take(array, end, axis).ravel() for axis in range(3) for end in (0, -1)]
    )
    values, counts = np.unique(faces, return_counts=True)
    constant = float(values[counts.argmax()])
    if counts.max() < CONSTANT_SHARE * faces.size:
        return Shift(share, None)
    inside = _differs(array, constant)
    shifted = inside.any() and below[inside].mean() >= SHIFTED_SHARE
    return Shift(share, constant if shifted or constant < -FAR_BELOW * bright else None)


def unshifted(array: Float[np.ndarray, "x y z"]) -> Float[np.ndarray, "x y z"]:
    """A shifted volume with its background at 0 and all of its head above; others are left alone.

    The head's darkest voxel gets a quarter of its brightest ones, so that it still counts as head.
    What the values were before the shift cannot be known: they differ by a gain and an offset.
    """
    background = shift_of(array).background
    if background is None:
        return array
    inside = _differs(array, background)
    if not inside.any():
        return np.zeros_like(array)
    low, high = float(array[inside].min()), float(np.percentile(array[inside], 99))
    offset = DARKEST / (1 - DARKEST) * max(high - low, 1e-12)
    return np.where(inside, array - low + offset, 0).astype(array.dtype)


def head_of(array: Float[np.ndarray, "x y z"]) -> Bool[np.ndarray, "x y z"]:
    """What is brighter than a tenth of the bright end, without holes in any slice.

    In a shifted volume (see `shift_of`) the same head as before the shift.
    """
    array = unshifted(array)
    positive = array[array > 0]
    if not len(positive):
        return np.zeros(array.shape, bool)
    bright = array > BRIGHT_SHARE * np.percentile(positive, 99)
    return np.stack(
        [ndimage.binary_fill_holes(bright[:, :, z]) for z in range(array.shape[2])], axis=2
    )


def warning_of(array: Float[np.ndarray, "x y z"]) -> str | None:
    """What to say of a volume whose values below zero are taken for background."""
    shift = shift_of(array)
    if shift.background is not None or shift.share < WARN_SHARE:
        return None
    return f"{100 * shift.share:.1f} % of its voxels are below zero and count as background"


def _differs(array: Float[np.ndarray, "x y z"], value: float) -> Bool[np.ndarray, "x y z"]:
    """Where values are not `value`, but for rounding."""
    return np.abs(array - value) > 1e-5 * max(abs(value), float(np.abs(array).max()))
