"""Shapes in brain slices, as numbers: what an eye goes by where levels of grey and band energies agree.

Folds are ribbons: long, of one width, joined to each other, standing on the surface of the head.
Blobs of the same grey values are none of that. Slices are as in `lvae.metrics.slice_statistics`.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from lvae.metrics.slice_statistics import Images, head_masks

SMOOTHED = (
    0.7  # px of a 128 px slice: blur before levels are told apart, so that noise makes no pieces
)
SPECK = 3  # px^2 of a 128 px slice: smaller pieces are not counted
WIDTHS = (50, 90)  # percentiles
SCALES = (1.0, 2.0)  # px of a 128 px slice: over which directions are averaged
RIBBON = 12.0  # px of a 128 px slice below the surface: where folds are
TISSUES = ("dark", "white")
NAMES = (  # of the numbers of `shape_features`, in order
    *(
        f"{tissue} {number}"
        for tissue in TISSUES
        for number in (
            "share of the head",
            "pieces",
            "largest piece",
            "boundary",
            "holes",
            *(f"width {part} %" for part in WIDTHS),
        )
    ),
    *(f"direction at {scale:g} px" for scale in SCALES),
    "direction to the surface",
    "outline length",
    "outline hollows",
    "islands",
)

Mask = Bool[np.ndarray, "height width"]


def shape_features(images: Images) -> Float[np.ndarray, "n numbers"]:
    """Pieces, widths and directions of every slice; 0 where there is no head.

    Inside the head three levels are told apart by Otsu's thresholds [liao2001]: dark (fluid, deep
    folds), grey, white. Of dark and of white: share of the head; pieces per 1,000 px^2 of head; share
    of the largest piece; length of the boundary over the area; holes per 1,000 px^2 of head;
    percentiles of the width along the middle line (twice the distance to what is not tissue, less the
    pixel that both sides share). How much of the gradients' energy has one direction
    (0: none, 1: all) where they are averaged over `SCALES`; the mean square cosine between gradients
    and the direction to the surface, less the half that chance has, within `RIBBON` of it. Of the
    outline: its length over that of a circle of the same area; the share of its convex hull that is not
    head; pieces beside the largest. Lengths are pixels of a 128 px slice.
    """
    images = np.asarray(images, np.float64)
    scale = images.shape[2] / 128
    result = np.zeros((len(images), len(NAMES)))
    for index, (image, mask) in enumerate(zip(images, head_masks(images))):
        if mask.any():
            levels = _levels(image, mask, scale)
            result[index] = [
                *_pieces(levels == 0, mask, scale),
                *_pieces(levels == 2, mask, scale),
                *_directions(image, mask, scale),
                *_outline(mask),
            ]
    return result


def _levels(image: np.ndarray, mask: Mask, scale: float) -> np.ndarray:
    """0 dark, 1 grey, 2 white, -1 outside the head."""
    from skimage.filters import threshold_multiotsu  # slow to import

    inside = ndimage.gaussian_filter(image * mask, SMOOTHED * scale)
    share = ndimage.gaussian_filter(mask.astype(float), SMOOTHED * scale)
    smooth = inside / np.maximum(share, 1e-6)  # what is outside does not darken the rim
    values = smooth[mask]
    if np.ptp(values) < 1e-6:
        return np.where(mask, 1, -1)
    # a fixed number of bins over the slice's own range: thresholds do not know of brightness
    return np.where(mask, np.digitize(smooth, threshold_multiotsu(values, 3, nbins=64)), -1)


def _pieces(tissue: Mask, mask: Mask, scale: float) -> list[float]:
    from skimage.measure import euler_number, perimeter
    from skimage.morphology import skeletonize

    labels, _ = ndimage.label(tissue, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    kept = np.flatnonzero(sizes >= SPECK * scale**2)
    if not len(kept):
        return [0.0] * (5 + len(WIDTHS))
    tissue = np.isin(labels, kept + 1)
    area, head = sizes[kept].sum(), mask.sum() / scale**2 / 1000
    middle, distance = skeletonize(tissue), ndimage.distance_transform_edt(tissue)
    return [
        float(tissue.sum() / mask.sum()),
        len(kept) / head,
        float(sizes.max() / area),
        float(perimeter(tissue) / area * scale),
        (len(kept) - euler_number(tissue, 2)) / head,
        *np.percentile((2 * distance[middle] - 1) / scale, WIDTHS).tolist(),
    ]


def _directions(image: np.ndarray, mask: Mask, scale: float) -> list[float]:
    down, across = (ndimage.gaussian_filter(image, scale, order) for order in ((1, 0), (0, 1)))
    depth = ndimage.distance_transform_edt(mask)
    inner = depth > 2 * scale  # the outline's own gradient tells nothing of folds
    products = down**2, across**2, down * across
    found = []
    for sigma in SCALES:
        rows, columns, both = (
            ndimage.gaussian_filter(part * inner, 2 * sigma * scale) for part in products
        )
        energy = (rows + columns)[inner].sum()
        one = np.hypot(rows - columns, 2 * both)[inner].sum()
        found.append(float(one / energy) if energy > 1e-12 else 0.0)
    toward = np.stack(np.gradient(ndimage.gaussian_filter(depth, 2 * scale)))
    toward /= np.maximum(np.linalg.norm(toward, axis=0), 1e-9)
    folds = inner & (depth < RIBBON * scale)
    energy = (products[0] + products[1])[folds].sum()
    along = ((down * toward[0] + across * toward[1]) ** 2)[folds].sum()
    return [*found, float(along / energy - 0.5) if energy > 1e-12 else 0.0]


def _outline(mask: Mask) -> list[float]:
    from skimage.measure import perimeter
    from skimage.morphology import convex_hull_image

    area = mask.sum()
    hull = convex_hull_image(mask).sum()
    count = ndimage.label(mask, np.ones((3, 3)))[1]
    return [
        float(perimeter(mask) / np.sqrt(4 * np.pi * area)),
        float(1 - area / hull),
        float(count - 1),
    ]
