"""Laser points found in a moving image, for frames that come without them."""

import numpy as np
from jaxtyping import Int, UInt8
from scipy import ndimage

from lvae.grids.rendering import frame_scale

REACH = 3  # px of a 768 frame; no two points lie nearer to each other
SURROUNDING = 6  # px of a 768 frame; so far out a point's blur of 2 px has faded
LEAST_STEP = 50  # grey levels above the surrounding; a point alone stands out by about 127


def detect_points(image: UInt8[np.ndarray, "height width"]) -> Int[np.ndarray, "points 2"]:
    """x, y of every bright dot, in px, in the order of rows of pixels.

    A dot is the largest value within REACH and stands out from the smallest one within SURROUNDING;
    the wide glow around the dots hardly changes over such distances.
    """
    grey = image.astype(np.int16)
    scale = frame_scale(image.shape[::-1])
    reach, surrounding = (max(1, round(scale * length)) for length in (REACH, SURROUNDING))
    around = ndimage.maximum_filter(grey, 2 * reach + 1)
    lowest = ndimage.minimum_filter(grey, 2 * max(reach + 1, surrounding) + 1)
    peaks, count = ndimage.label((grey == around) & (grey - lowest >= LEAST_STEP))
    # Neighbouring pixels of one value are one dot.
    centres = ndimage.center_of_mass(peaks > 0, peaks, np.arange(1, count + 1))
    rows_columns = np.floor(np.asarray(centres).reshape(-1, 2) + 0.5).astype(int)
    return rows_columns[:, ::-1]
