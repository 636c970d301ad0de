"""Pseudo-cases of stroke: the MNI152 template with DWI-like contrast, and lesions with their masks.

Every case is another brain: the template turned, scaled and bent, with its own contrast of gray
and white matter, coil sensitivity and noise. Healthy tissue is bright in places too, as in real
DWI: bands where brain meets the air of the sinuses and ear canals, and specks of a few voxels. So a
bright voxel is no lesion by itself; place, size and shape are needed. Case `index` is a function of
(seed, index).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from lvae.data.volumes import template

# T1 intensity of the template -> signal: background, fluid, its border, gray and white matter.
T1_KNOTS = (0.0, 0.15, 0.45, 0.67, 0.86, 1.0)
BRAIN, FLUID_BORDER, PARENCHYMA = 0.15, 0.45, 0.5  # T1 intensities
GRAY, WHITE = 0.55, 0.42  # mean signals; they vary by case with CONTRAST_SPREAD
CONTRAST_SPREAD = 0.03
LESION_VOLUME_ML = (10.0, 100.0)  # log-uniform; ISLES has 1 to 350, most of them below 50
LESION_GAIN = (0.7, 1.3)  # signal inside is this share above the tissue's own
BORDER_MM = 1.2  # over which a lesion fades
INSET_MM = 2.5  # a reader outlines what is plainly bright: 89 % of the lesion's own brightness
AIR = ((98, 185, 52, 16), (52, 125, 42, 13), (144, 125, 42, 13))  # voxel x, y, z; radius in mm
AIR_GAIN = (0.6, 1.6)
SPECK_SHARE, SPECK_SIGNAL = 3e-4, 4.0  # of voxels; before blurring, which leaves a sixth
NOISE = 0.025  # Rician
SCALE = 600.0  # scanner units: files are not in [0, 1] either


class PseudoCase(NamedTuple):
    """image: float32, in scanner units. spacing: mm."""

    image: Float[np.ndarray, "x y z"]
    lesion: Bool[np.ndarray, "x y z"]
    head: Bool[np.ndarray, "x y z"]
    spacing: tuple[float, float, float]


def pseudo_case(index: int, seed: int, slice_mm: float) -> PseudoCase:
    """One case: axial slices of 1 mm pixels, `slice_mm` apart.

    Args:
      index: of the case.
      seed: of the whole set.
      slice_mm: distance of slices, 1 to 30 mm.

    Raises:
      UserError: nilearn, which ships the template, is not installed.
    """
    random = np.random.default_rng([seed, index])
    volume, _ = template(1)
    heights = np.arange(20.0, 165.0, slice_mm) + random.uniform(-slice_mm / 2, slice_mm / 2)
    places = _places(random, volume.array.shape, heights)
    t1 = ndimage.map_coordinates(volume.array, places, order=1, prefilter=False)
    shape, spacing = t1.shape, (1.0, 1.0, float(slice_mm))

    gray, white = (level + random.normal(0, CONTRAST_SPREAD) for level in (GRAY, WHITE))
    levels = (0.0, 0.12, 0.33, gray, white, white - 0.02)
    signal = np.interp(t1, T1_KNOTS, levels).astype(np.float32)
    parenchyma = t1 > PARENCHYMA
    lesion = np.zeros(shape, bool)
    gain = np.zeros(shape, np.float32)
    for _ in range(1 + random.binomial(3, 0.35)):
        inside, profile = _lesion(random, parenchyma, spacing)
        lesion |= inside & parenchyma
        gain = np.maximum(gain, profile)
    signal *= 1 + gain * (t1 > FLUID_BORDER)
    signal *= 1 + _air(random, places) * (t1 > FLUID_BORDER)
    specks = ((random.random(shape) < SPECK_SHARE) & (t1 > 2 * BRAIN)).astype(np.float32)
    signal += SPECK_SIGNAL * ndimage.gaussian_filter(specks, (0.6, 0.6, 0))
    signal = ndimage.gaussian_filter(signal, (0.8, 0.8, 0))  # a voxel of DWI measures about 2 mm
    signal *= 1 + 0.10 * smooth_noise(random, shape, (3, 3, 3))
    real, imaginary = NOISE * random.standard_normal((2, *shape), dtype=np.float32)
    image = SCALE * np.sqrt((signal + real) ** 2 + imaginary**2)
    head = ndimage.binary_fill_holes(t1 > BRAIN)
    return PseudoCase(image * head, lesion, np.asarray(head, bool), spacing)


def smooth_noise(
    random: np.random.Generator, shape: tuple[int, int, int], knots: tuple[int, int, int]
) -> Float[np.ndarray, "x y z"]:
    """Standard normal values at `knots` places, smoothly joined: float32 of `shape`."""
    field = random.standard_normal(knots, dtype=np.float32)
    for axis, (count, size) in enumerate(zip(knots, shape)):
        place = np.linspace(0, count - 1, size)
        low = np.clip(place.astype(int), 0, count - 2)
        share = place - low
        weight = (share * share * (3 - 2 * share)).astype(np.float32)
        weight = weight.reshape([-1 if other == axis else 1 for other in range(3)])
        field = field.take(low, axis) * (1 - weight) + field.take(low + 1, axis) * weight
    return field


def _places(
    random: np.random.Generator, sizes: tuple[int, ...], heights: np.ndarray
) -> list[np.ndarray]:
    """Where in the template each voxel of the case lies: scaled, turned, bent."""
    middle = [size / 2 for size in sizes]
    shape = (sizes[0], sizes[1], len(heights))
    offsets = (
        np.arange(sizes[0], dtype=np.float32)[:, None, None] - np.float32(middle[0]),
        np.arange(sizes[1], dtype=np.float32)[None, :, None] - np.float32(middle[1]),
        (heights - middle[2]).astype(np.float32)[None, None, :],
    )
    matrix = np.diag(random.uniform(0.94, 1.06, 3))
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = np.deg2rad(random.normal(0, 4))
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    matrix = matrix.astype(np.float32)
    places = []
    for axis in range(3):
        place = sum(matrix[axis, other] * offsets[other] for other in range(3))
        bend = 3.0 * smooth_noise(random, shape, (7, 8, 6))  # mm
        bend += 1.2 * smooth_noise(random, shape, (18, 21, 14))
        places.append(place + bend + np.float32(middle[axis]))
    return places


def _lesion(
    random: np.random.Generator, parenchyma: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """One lesion: where it is, and by what share it raises the signal (soft at its border).

    A bent ellipsoid around a place drawn in the parenchyma, most often in the territory of the
    middle cerebral artery, as strokes are.
    """
    shape = parenchyma.shape
    voxels = np.argwhere(parenchyma)
    places = voxels * spacing  # mm
    middle = np.array([shape[0] / 2, shape[1] / 2, 75.0])
    lateral = (np.abs(places[:, 0] - middle[0]) - 38) / 18
    along = (places[:, 1] - middle[1]) / 35
    height = (places[:, 2] - middle[2]) / 22
    weights = 0.1 + np.exp(-0.5 * (lateral**2 + along**2 + height**2))
    centre = places[random.choice(len(places), p=weights / weights.sum())]

    low, high = np.log(LESION_VOLUME_ML)
    radius = (3 * 1000 * np.exp(random.uniform(low, high)) / (4 * np.pi)) ** (1 / 3)
    axes = radius * np.exp(random.normal(0, 0.2, 3))
    axes *= radius / np.prod(axes) ** (1 / 3)
    squared = np.zeros((), np.float32)
    for axis in range(3):
        line = (np.arange(shape[axis]) * spacing[axis] - centre[axis]) / axes[axis]
        line = line.astype(np.float32).reshape([-1 if k == axis else 1 for k in range(3)])
        squared = squared + line**2
    distance = np.sqrt(squared) + 0.18 * smooth_noise(random, shape, (20, 24, 15))
    border = np.clip((distance - 1) * radius / BORDER_MM, -30, 30)
    texture = 1 + 0.15 * smooth_noise(random, shape, (40, 46, 29))
    gain = random.uniform(*LESION_GAIN) * texture / (1 + np.exp(border))
    return distance < 1 - INSET_MM / radius, gain.astype(np.float32)


def _air(random: np.random.Generator, places: list[np.ndarray]) -> np.ndarray:
    """Shares by which signal piles up around air: bent shells above the sinuses and ear canals."""
    x, y, z = places
    total = np.zeros(x.shape, np.float32)
    for centre_x, centre_y, centre_z, radius in AIR:
        distance = np.sqrt((x - centre_x) ** 2 + (y - centre_y) ** 2 + (1.3 * (z - centre_z)) ** 2)
        distance += 3 * smooth_noise(random, x.shape, (15, 17, 10))
        total += random.uniform(*AIR_GAIN) * np.exp(-0.5 * ((distance - radius) / 3) ** 2)
    return total
