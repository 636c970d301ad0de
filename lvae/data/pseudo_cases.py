"""Pseudo-cases of stroke: the MNI152 template as a scanner would show it, with lesions and masks.

Every case is another brain (the template turned, scaled, bent, more or less shrunk), another
scanner (b-value, echo time, contrast, coil, noise, slices of 2 to 6 mm, oblique) and other lesions.
As SynthSeg ([billot2023]) does for anatomy, contrasts are drawn wider than real ones are. The
channels are consistent: S = S0 exp(-b ADC) with the tissues' shares of every voxel, and the map of
the ADC is computed from both signals as scanners do. Where brain meets air the field is uneven:
places shift along one axis, and signal piles up in bands, in DWI and not in the ADC. Case `index`
is a function of (seed, index).
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from lvae.data.lesions import Lesions, draw_lesions, smooth_noise
from lvae.data.volumes import template

CHANNELS = ("dwi", "adc", "flair")
BRAIN = 0.15  # T1 intensity of the template: what is darker is no head
FLUID, GRAY, WHITE = 0.30, 0.67, 0.86  # T1 intensities; fluid's upper end varies with age
HEIGHTS_MM = (18.0, 166.0)  # of the template's slices that a scan covers
SLICE_MM = (2.0, 6.0)
B_VALUES = (800.0, 1500.0)  # s/mm^2; half of the scans have 1000
VENTRICLES = (98, 124, 92, 26)  # x, y, z, radius, mm: what is wider in the old
AIR = ((98, 185, 52, 16), (52, 125, 42, 13), (144, 125, 42, 13))  # x, y, z, radius, mm
BAND_GAIN, BAND_MM = (0.0, 2.5), (2.0, 4.0)  # of the signal that piles up around air; half-width
SHADING = (0.03, 0.25)  # sigma of the log of what a coil does to brightness
SCALE = 600.0  # scanner units: files are not in [0, 1] either
WIDENED = 0.4  # of the ventricles' width, at most
# Of a voxel that counts as lesion: some readers outline what is plainly bright, some all of it.
TRUE_LESION = (0.25, 0.6)

Array = Float[np.ndarray, "x y z"]


class PseudoCase(NamedTuple):
    """channels: by name, float32, in scanner units (ADC: 1e-3 mm^2/s). spacing: mm."""

    channels: Mapping[str, Array]
    lesion: Bool[np.ndarray, "x y z"]
    head: Bool[np.ndarray, "x y z"]
    spacing: tuple[float, float, float]


def pseudo_case(index: int, seed: int, spacing_mm: float = 2.0) -> PseudoCase:
    """One case: axial slices of `spacing_mm` pixels, 2 to 6 mm apart.

    Args:
      index: of the case.
      seed: of the whole set.
      spacing_mm: of a pixel.

    Raises:
      UserError: nilearn, which ships the template, is not installed.
    """
    random = np.random.default_rng([seed, index])
    t1 = _template(spacing_mm)
    slice_mm = float(random.uniform(*SLICE_MM))
    spacing = (spacing_mm, spacing_mm, slice_mm)
    places = _places(random, spacing)
    pile = _distort(random, places, spacing)
    brain = ndimage.map_coordinates(t1, places, order=1, prefilter=False)
    head = ndimage.binary_fill_holes(ndimage.binary_opening(brain > BRAIN))
    head = np.asarray(head & (ndimage.gaussian_filter(pile, 0.5) > 0.2), bool)
    fluid, gray, white = _tissues(random, brain)
    lesions = draw_lesions(random, (fluid < 0.7) & head, spacing)
    channels = _diffusion(random, (fluid, gray, white), lesions, pile)
    channels["flair"] = _flair(random, (fluid, gray, white), lesions)
    shown = {name: np.where(head, channels[name], 0).astype(np.float32) for name in CHANNELS}
    lesion = (lesions.acute > random.uniform(*TRUE_LESION)) & (fluid < 0.8) & head
    return PseudoCase(shown, lesion, head, spacing)


@functools.lru_cache(maxsize=2)
def _template(spacing_mm: float) -> Array:
    """The template as pixels of that size see it, still on its grid of 1 mm."""
    volume, _ = template(1)
    blur = 0.35 * np.sqrt(max(spacing_mm**2 - 1, 0))
    return ndimage.gaussian_filter(volume.array, (blur, blur, 0.7)).astype(np.float32)


def _places(random: np.random.Generator, spacing: tuple[float, float, float]) -> list[np.ndarray]:
    """Where in the template each voxel of the case lies, mm: scaled, turned, bent."""
    low, high = HEIGHTS_MM
    lengths = (*(float(size) for size in _template(spacing[0]).shape[:2]), high - low)
    columns, rows, slices = (int(length // step) for length, step in zip(lengths, spacing))
    shape = (columns, rows, slices)
    middle = (lengths[0] / 2, lengths[1] / 2, (low + high) / 2)
    offsets = np.meshgrid(
        *(
            ((np.arange(count) - (count - 1) / 2) * step).astype(np.float32)
            for count, step in zip(shape, spacing)
        ),
        indexing="ij",
        sparse=True,
    )
    matrix = np.diag(random.uniform(0.92, 1.08, 3))
    # slices lie along the skull base or straight: tilts of up to 20 degrees
    for first, second, angle in (
        (0, 1, random.normal(0, 4)),
        (0, 2, random.normal(0, 3)),
        (1, 2, random.uniform(-20, 20)),
    ):
        turn = np.eye(3)
        radians = np.deg2rad(angle)
        turn[first, first] = turn[second, second] = np.cos(radians)
        turn[first, second], turn[second, first] = -np.sin(radians), np.sin(radians)
        matrix = matrix @ turn
    matrix = matrix.astype(np.float32)
    places = []
    for axis in range(3):
        place = sum(matrix[axis, other] * offsets[other] for other in range(3))
        place = place + 3.0 * smooth_noise(random, shape, (7, 8, 6))  # mm
        place += 1.2 * smooth_noise(random, shape, (18, 21, 14))
        places.append((place + np.float32(middle[axis])).astype(np.float32))
    _widen(places, random.uniform(0, WIDENED))
    return places


def _widen(places: list[np.ndarray], share: float) -> None:
    """Shows the middle of the head 1 / (1 - share) times as large."""
    *middle, radius = VENTRICLES
    offsets = [place - np.float32(centre) for place, centre in zip(places, middle)]
    near = np.exp(-sum(offset**2 for offset in offsets) / (2 * radius**2)).astype(np.float32)
    for place, offset in zip(places, offsets):
        place -= share * near * offset


def _distort(
    random: np.random.Generator, places: list[np.ndarray], spacing: tuple[float, float, float]
) -> Array:
    """Shifts `places` along the second axis as an uneven field does; by what factor signal piles
    up or thins out."""
    shift = 0.5 * smooth_noise(random, places[0].shape, (5, 6, 5))
    bands = np.zeros(shift.shape, np.float32)
    for x, y, z, radius in AIR:
        distance = np.sqrt(
            (places[0] - x) ** 2 + (places[1] - y) ** 2 + (1.3 * (places[2] - z)) ** 2
        )
        distance += 2 * smooth_noise(random, distance.shape, (15, 17, 10))
        width = radius * random.uniform(0.5, 1.1)
        strength = random.normal(0, 6.0)  # mm
        shift += strength * np.exp(-0.5 * (distance / width) ** 2)
        band = ((distance - radius) / random.uniform(*BAND_MM)) ** 2
        bands += random.uniform(*BAND_GAIN) * np.exp(-0.5 * band)
    places[1] += shift
    slope = np.gradient(shift, spacing[1], axis=1)
    return np.clip(1 + slope + bands, 0.1, 5.0).astype(np.float32)


def _tissues(random: np.random.Generator, brain: Array) -> tuple[Array, Array, Array]:
    """Shares of fluid, gray and white matter; sulci and ventricles are wider in the old."""
    edge = FLUID + random.uniform(-0.05, 0.3)
    border = random.uniform(0.12, 0.25)
    solid = np.clip((brain - edge) / border, 0, 1)
    white = np.clip((brain - GRAY) / (WHITE - GRAY), 0, 1) * solid
    return 1 - solid, solid - white, white


def _diffusion(
    random: np.random.Generator,
    tissues: tuple[Array, Array, Array],
    lesions: Lesions,
    pile: Array,
) -> dict[str, Array]:
    """DWI and ADC: signals of b = 0 and b, both with noise."""
    fluid, gray, white = tissues
    shape = fluid.shape
    b = 1.0 if random.random() < 0.5 else random.uniform(*B_VALUES) / 1000  # ms/um^2
    echo = random.uniform(60, 110)  # ms
    spread = np.exp(random.normal(0, 0.12, 3))
    gray_s0 = 0.82 * np.exp(-echo / 92) * spread[0]
    white_s0 = 0.70 * np.exp(-echo / 76) * spread[1]
    fluid_s0 = 1.0 * np.exp(-echo / 600) * spread[2]
    moving = random.normal((0.82, 0.76), 0.08)  # ADC of gray and white matter, um^2/ms
    solid = np.maximum(gray + white, 1e-6)
    texture = 1 + 0.05 * smooth_noise(random, shape, (30, 36, 24))
    texture += random.uniform(0, 0.06) * smooth_noise(random, shape, (12, 14, 10))
    s0 = (gray * gray_s0 + white * white_s0) / solid * texture
    adc = (gray * moving[0] + white * moving[1]) / solid
    adc = adc * (1 + 0.05 * smooth_noise(random, shape, (24, 30, 20)))

    patchy = 1 + 0.25 * smooth_noise(random, shape, (40, 46, 29))
    adc = adc * (1 - np.clip(patchy * lesions.restricted, -0.5, 0.7))
    s0 = s0 * (1 + lesions.swollen)
    adc = adc * (1 + random.uniform(0.2, 0.8) * lesions.shine)
    s0 = s0 * (1 + random.uniform(0.2, 0.9) * lesions.shine)
    adc = adc * (1 + random.uniform(0.1, 0.5) * lesions.white)
    s0 = s0 * (1 + random.uniform(0.1, 0.4) * lesions.white)
    cavity = lesions.old * random.uniform(0.5, 1.0)
    fluid = fluid + (1 - fluid) * cavity
    solid = 1 - fluid

    base = solid * s0 + fluid * fluid_s0
    weighted = solid * s0 * np.exp(-b * adc) + fluid * fluid_s0 * np.exp(-b * 3.0)
    weighted = _eddy(random, weighted)
    blur = random.uniform(0, 0.6)
    coil = np.exp(random.uniform(*SHADING) * smooth_noise(random, shape, (3, 3, 3)))
    noise = random.uniform(0.01, 0.08) * float(np.median(weighted[solid > 0.5]))
    signals = []
    for signal, averages in ((base, 1), (weighted, 2)):
        signal = ndimage.gaussian_filter(signal * pile * coil, (blur, blur, 0))
        real, imaginary = random.standard_normal((2, *shape), dtype=np.float32)
        level = noise * averages**-0.5
        signals.append(np.sqrt((signal + level * real) ** 2 + (level * imaginary) ** 2))
    measured = np.log(np.maximum(signals[0], 1e-6) / np.maximum(signals[1], 1e-6)) / b
    return {"dwi": SCALE * signals[1], "adc": np.clip(measured, 0, 5)}


def _eddy(random: np.random.Generator, weighted: Array) -> Array:
    """Diffusion weighting stretches and shifts an image a little, along one axis."""
    factor = 1 + random.normal(0, 0.006)
    middle = weighted.shape[1] / 2
    offset = (0, middle * (1 - factor) + random.normal(0, 0.3), 0)
    return ndimage.affine_transform(
        weighted, np.array([1, factor, 1]), offset, order=1, mode="nearest"
    )


def _flair(
    random: np.random.Generator, tissues: tuple[Array, Array, Array], lesions: Lesions
) -> Array:
    """Fluid dark, gray brighter than white matter; what is acute shows after hours only."""
    fluid, gray, white = tissues
    spread = np.exp(random.normal(0, 0.12, 3))
    signal = 0.08 * fluid * spread[0] + 0.62 * gray * spread[1] + 0.5 * white * spread[2]
    signal *= 1 + random.uniform(0.0, 0.7) * lesions.acute
    signal *= 1 + random.uniform(0.2, 0.8) * np.maximum(lesions.shine, lesions.white)
    rim = lesions.old * (1 - lesions.old) * 4
    signal = signal * (1 - 0.8 * lesions.old) + 0.25 * rim
    shape = signal.shape
    signal *= np.exp(random.uniform(*SHADING) * smooth_noise(random, shape, (3, 3, 3)))
    signal = ndimage.gaussian_filter(signal, (0.4, 0.4, 0.2))
    # registered to the DWI, but not to the voxel
    signal = ndimage.shift(signal, random.normal(0, (0.3, 0.4, 0.1)), order=1, mode="nearest")
    real, imaginary = random.uniform(0.01, 0.04) * random.standard_normal(
        (2, *shape), dtype=np.float32
    )
    return SCALE * np.sqrt((signal + real) ** 2 + imaginary**2)
