"""Statistics of brain slices that are no model's own: what a classifier and an eye go by.

Slices are axial with anterior up, so that left and right are columns, and the background is dark.
"""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

GREY_PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
MIDDLE_PERCENTILES = (0, 1, 5, 10, 25)
BANDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # px of a 128 px slice: deviations of the blurs
CORRELATION_SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)  # px of a 128 px slice
NAMES = (  # of the numbers of `slice_features`, in order
    *(f"grey {part} %" for part in GREY_PERCENTILES),
    *(f"band below {sigma:g} px" for sigma in BANDS),
    *(f"mirror at {sigma:g} px" for sigma in CORRELATION_SCALES),
    *(f"middle {part} %" for part in MIDDLE_PERCENTILES),
)
BACKGROUND = 0.08  # of the greatest level: what is darker lies outside the head

Images = Float[np.ndarray, "n height width"]


class Outline(NamedTuple):
    """Of a head's outline, a number per slice: the middle of its box over the image's width (0.5:
    centred), the share of the image's edge that it touches, and the share of the head whose mirror
    image about that middle is not head."""

    centre_x: Float[np.ndarray, " n"]
    edge: Float[np.ndarray, " n"]
    lopsided: Float[np.ndarray, " n"]


class OutlineFaults(NamedTuple):
    """share: of slices with a fault. by_number: share of slices outside the limits of each number
    of `Outline`. faulty: which slices have one. reference_share: of reference slices with a fault
    by the limits of the other groups' slices; a share says something only above it."""

    share: float
    by_number: dict[str, float]
    faulty: Bool[np.ndarray, " n"]
    reference_share: float


def head_masks(images: Images, threshold: float = BACKGROUND) -> Bool[np.ndarray, "n height width"]:
    """What is head: above `threshold` times the image's 99.5th percentile, holes filled, without
    specks of up to two pixels' width."""
    masks = np.zeros(images.shape, bool)
    for index, image in enumerate(images):
        bright = image > threshold * np.percentile(image, 99.5)
        masks[index] = ndimage.binary_fill_holes(ndimage.binary_opening(bright))
    return masks


def slice_features(images: Images) -> Float[np.ndarray, "n numbers"]:
    """Percentiles of grey, band energies, correlation of left and right, the darkest of the middle.

    Of every slice: percentiles of the grey levels inside the head; logarithm of the mean square,
    inside the head, of the differences between blurs of neighbouring scales `BANDS`; correlation of
    the blurred slice and its mirror image (about the middle of the head) at `CORRELATION_SCALES`
    where both are head; percentiles of the middle (the central third of the head's box, where the
    ventricles lie) over the head's median. 0 where there is no head.
    """
    images = np.asarray(images, np.float64)
    masks = head_masks(images)
    numbers = len(GREY_PERCENTILES) + len(BANDS) + len(CORRELATION_SCALES) + len(MIDDLE_PERCENTILES)
    result = np.zeros((len(images), numbers))
    scale = images.shape[2] / 128
    for index, (image, mask) in enumerate(zip(images, masks)):
        if not mask.any():
            continue
        grey = np.percentile(image[mask], GREY_PERCENTILES)
        row, column = ndimage.find_objects(mask.astype(np.int8))[0]
        result[index] = np.concatenate(
            [
                grey,
                _band_energies(image, mask, scale),
                _mirror_correlations(image, mask, column, scale),
                _middle(image, row, column) / max(grey[GREY_PERCENTILES.index(50)], 1e-6),
            ]
        )
    return result


def outline(images: Images) -> Outline:
    """The numbers of each slice's outline; all 0 where there is no head."""
    masks = head_masks(images)
    rows = np.zeros((len(masks), len(Outline._fields)))
    for index, mask in enumerate(masks):
        if mask.any():
            rows[index] = _outline(mask)
    return Outline(*rows.T)


def outline_faults(
    images: Images,
    reference: Float[np.ndarray, "m _ _"],
    reference_groups: np.ndarray | None = None,
    tail: float = 1.0,
) -> OutlineFaults:
    """Slices with an outline that (nearly) no real slice has: off centre, off the edge, lopsided.

    A slice has a fault if its centre lies below the `tail`-th or above the (100 - tail)-th
    percentile of the reference, or touches the edge or is lopsided beyond the latter; nothing
    within a pixel of a limit is a fault.

    Args:
      images: drawn slices, or real ones as a control.
      reference: real slices of the same size.
      reference_groups: subject of every reference slice, of which each is held against the others
        for `reference_share`; None: all are held against the limits that they set themselves.
      tail: per cent of the reference beyond each limit.

    Raises:
      ValueError: another size, no reference, or a single group.
    """
    if images.shape[1:] != reference.shape[1:] or not len(reference):
        raise ValueError(f"slices {images.shape} and reference {reference.shape}: other sizes")
    margin = 1 / max(images.shape[1:])
    numbers, known = (np.stack(outline(part), axis=1) for part in (images, reference))
    outside = _outside(numbers, known, tail, margin)
    if reference_groups is None:
        own = _outside(known, known, tail, margin).any(1)
    else:
        names, index = np.unique(reference_groups, return_inverse=True)
        if len(names) < 2:
            raise ValueError("a single group: none is left to hold it against")
        own = np.zeros(len(known), bool)
        for group in range(len(names)):
            held = index == group
            own[held] = _outside(known[held], known[~held], tail, margin).any(1)
    faulty = np.asarray(outside.any(1))
    shares = dict(zip(Outline._fields, outside.mean(0).tolist()))
    return OutlineFaults(float(faulty.mean()), shares, faulty, float(own.mean()))


def _outside(
    numbers: np.ndarray, known: np.ndarray, tail: float, margin: float
) -> Bool[np.ndarray, "n 3"]:
    low, high = np.percentile(known, [tail, 100 - tail], axis=0)
    low[1:] = -np.inf  # no head is too symmetric, or too far from the edge
    return (numbers < low - margin) | (numbers > high + margin)


def _outline(mask: Bool[np.ndarray, "height width"]) -> list[float]:
    column = ndimage.find_objects(mask.astype(np.int8))[0][1]
    box = mask[:, column]
    edge = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return [
        (column.start + column.stop) / 2 / mask.shape[1],
        float(edge.mean()),
        float((box & ~box[:, ::-1]).sum() / box.sum()),
    ]


def _band_energies(image: np.ndarray, mask: np.ndarray, scale: float) -> list[float]:
    blurs = [image, *(ndimage.gaussian_filter(image, scale * sigma) for sigma in BANDS)]
    means = [np.mean((fine - coarse)[mask] ** 2) for fine, coarse in itertools.pairwise(blurs)]
    return [float(np.log(mean + 1e-12)) for mean in means]


def _mirror_correlations(
    image: np.ndarray, mask: np.ndarray, column: slice, scale: float
) -> list[float]:
    """Nothing is interpolated: the mirror is a column's middle or edge."""
    inside = mask[:, column]
    both = inside & inside[:, ::-1]
    correlations = []
    for sigma in CORRELATION_SCALES:
        blurred = ndimage.gaussian_filter(image, scale * sigma)[:, column]
        left, right = blurred[both], blurred[:, ::-1][both]
        # the same of both, which hold the same numbers
        spread = left.std() if len(left) else 0.0
        moment = np.mean((left - left.mean()) * (right - right.mean())) if len(left) else 0.0
        correlations.append(float(moment / spread**2) if len(left) and spread > 1e-9 else 0.0)
    return correlations


def _middle(image: np.ndarray, row: slice, column: slice) -> np.ndarray:
    def third(part: slice) -> slice:
        size = part.stop - part.start
        return slice(part.start + size // 3, part.stop - size // 3)

    return np.percentile(image[third(row), third(column)], MIDDLE_PERCENTILES)
