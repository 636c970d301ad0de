"""Maps without a network, beside which the networks' are measured: brightness, sides, ADC."""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from lvae.data.stroke_scans import Channels, normalise, reflected, symmetry_plane

SMOOTH_MM, NEAR_MM = 2.0, 6.0  # sigma of the smoothing; half-width of the mirrored neighbourhood


def rules(channels: Channels, head: np.ndarray) -> dict[str, Float[np.ndarray, "x y z"]]:
    """What each rule gives every voxel of a scan that has a DWI.

    brightness: of the DWI. left_right: its smoothed brightness less the most of its mirrored
    neighbourhood. With an ADC map also low_adc: brightness times how low the ADC is, smoothed; and
    left_right_low_adc: left_right of that product.
    """
    sigma = [SMOOTH_MM / 2 / step for step in channels.spacing]
    dwi = normalise(channels.arrays["dwi"], head)
    found = {"brightness": dwi, "left_right": _sided(dwi, channels, sigma)}
    if "adc" in channels.arrays:
        adc = normalise(channels.arrays["adc"], head)
        both = ndimage.gaussian_filter(dwi * np.clip(1 - 2 * adc, 0, 1), sigma)
        found["low_adc"] = np.where(head, both, 0)
        found["left_right_low_adc"] = _sided(both, channels, sigma, smooth=False)
    return found


def _sided(
    values: np.ndarray, channels: Channels, sigma: list[float], smooth: bool = True
) -> Float[np.ndarray, "x y z"]:
    soft = ndimage.gaussian_filter(values, sigma) if smooth else values
    plane = symmetry_plane(values, channels.spacing)
    other = reflected(soft, plane, channels.spacing)
    near = [2 * round(NEAR_MM / step) + 1 for step in channels.spacing]
    return np.asarray(soft - ndimage.maximum_filter(other, near), np.float32)
