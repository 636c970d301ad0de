"""How finely the labels of a set are rounded: samples are written as its own frames are."""

import numpy as np
from jaxtyping import Bool, Num

MOST_DECIMALS = 3  # a thousandth of a pixel is finer than any label
_UNSURE = 1e-4  # px; coordinates are float32, which are 6e-5 px apart above 512


def decimals(
    points: Num[np.ndarray, "*frames rows columns 2"],
    visible: Bool[np.ndarray, "*frames rows columns"],
) -> int:
    """Digits behind the point that all coordinates of visible points have: 0 for whole pixels, at
    most `MOST_DECIMALS`."""
    seen = np.unique(points[visible].astype(np.float64))
    for digits in range(MOST_DECIMALS):
        unit = 10.0**-digits
        if np.all(np.abs(seen - unit * np.rint(seen / unit)) <= _UNSURE):
            return digits
    return MOST_DECIMALS
