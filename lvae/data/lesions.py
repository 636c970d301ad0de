"""Shapes of lesions in pseudo-cases: where each kind lies, how large it is, how its border fades.

Four kinds: `acute` ones, which are sought; and three that look like them in one channel: `shine`
(T2 shine-through: bright, but its water moves freely), `old` (a cavity) and `white` (changes of the
white matter beside the ventricles, bright on FLAIR).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

ACUTE_ML = (0.05, 100.0)  # log-uniform: ISLES 2022 has 0.05 to 480, half of them below 10
SPOT_ML = (0.03, 0.8)  # of a shower of emboli
OTHER_ML = (0.1, 8.0)  # of the other kinds
MOST_EMBOLI = 30
SHOWER_SHARE = 0.4  # of the cases
# Of each acute lesion: by what share water moves less, and how many times its tissue's signal it has
# on DWI. After a week water moves as in healthy tissue, while T2 keeps the lesion bright.
RESTRICTED, CONTRAST = (-0.15, 0.55), (1.2, 2.6)
TYPICAL = 0.8  # b x ADC of tissue, by which restriction becomes signal
OTHER_MEAN = {"shine": 1.2, "old": 0.7, "white": 2.0}  # mean number of each in a case
BORDER_MM = 1.0  # over which a lesion fades
TERRITORY_SHARE = 0.6  # of the large ones lie in the territory of the middle cerebral artery

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


class Lesions(NamedTuple):
    """How much of each voxel is lesion, 0 to 1, by kind. restricted, swollen: of the acute ones, by
    what share water moves less, and by what share there is more signal without weighting."""

    acute: Float[np.ndarray, "x y z"]
    restricted: Float[np.ndarray, "x y z"]
    swollen: Float[np.ndarray, "x y z"]
    shine: Float[np.ndarray, "x y z"]
    old: Float[np.ndarray, "x y z"]
    white: Float[np.ndarray, "x y z"]


def draw_lesions(
    random: np.random.Generator, parenchyma: Bool[np.ndarray, "x y z"], spacing: Spacing
) -> Lesions:
    """All lesions of a case; at least one is acute."""
    places = np.argwhere(parenchyma)
    maps = {kind: np.zeros(parenchyma.shape, np.float32) for kind in Lesions._fields}
    central = _central(places, parenchyma.shape, spacing)
    sizes = [(_volume(random, ACUTE_ML), True) for _ in range(1 + random.binomial(2, 0.3))]
    if random.random() < SHOWER_SHARE:
        count = random.integers(3, MOST_EMBOLI + 1)
        sizes += [(_volume(random, SPOT_ML), False) for _ in range(count)]
    for volume, large in sizes:
        weights = central if large and random.random() < TERRITORY_SHARE else None
        place, share = _ellipsoid(random, places, weights, volume, spacing, parenchyma.shape)
        restricted = random.uniform(*RESTRICTED)
        contrast = np.exp(random.uniform(*np.log(CONTRAST)))
        swollen = max(contrast * np.exp(-TYPICAL * restricted) - 1, 0.0)
        later = share > maps["acute"][place]  # where two lesions meet, the nearer one
        for kind, strength in (("acute", 1.0), ("restricted", restricted), ("swollen", swollen)):
            maps[kind][place] = np.where(later, strength * share, maps[kind][place])
    for kind, mean in OTHER_MEAN.items():
        for _ in range(random.poisson(mean)):
            volume = _volume(random, OTHER_ML)
            place, share = _ellipsoid(random, places, None, volume, spacing, parenchyma.shape)
            np.maximum(maps[kind][place], share, out=maps[kind][place])
    return Lesions(**maps)


def smooth_noise(
    random: np.random.Generator, shape: Shape, knots: Shape
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


def _volume(random: np.random.Generator, limits: tuple[float, float]) -> float:
    """mm^3, log-uniform between two numbers of ml."""
    low, high = np.log(limits)
    return 1000.0 * float(np.exp(random.uniform(low, high)))


def _central(places: np.ndarray, shape: Shape, spacing: Spacing) -> Float[np.ndarray, " n"]:
    """Chances of the voxels as the middle of a stroke of the middle cerebral artery."""
    middle = (np.array(shape) - 1) / 2
    x, y, z = ((places - middle) * spacing).T
    weights = np.exp(-0.5 * (((np.abs(x) - 38) / 18) ** 2 + ((y + 8) / 35) ** 2 + (z / 22) ** 2))
    return weights / weights.sum()


def _ellipsoid(
    random: np.random.Generator,
    places: np.ndarray,
    weights: Float[np.ndarray, " n"] | None,
    volume: float,
    spacing: Spacing,
    shape: Shape,
) -> tuple[tuple[slice, ...], Float[np.ndarray, "x y z"]]:
    """A bent ellipsoid of `volume` mm^3 around a place drawn by the weights: a box of an array of
    `shape`, and how much of each of the box's voxels it fills."""
    centre = places[random.choice(len(places), p=weights)] + random.uniform(-0.5, 0.5, 3)
    radius = (3 * volume / (4 * np.pi)) ** (1 / 3)
    axes = np.exp(random.normal(0, 0.25, 3))
    axes *= radius / np.prod(axes) ** (1 / 3)
    reach = np.ceil((1.6 * axes.max() + 2 * BORDER_MM) / np.array(spacing)).astype(int)
    low = np.maximum(np.round(centre).astype(int) - reach, 0)
    high = np.minimum(np.round(centre).astype(int) + reach + 1, shape)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), -1)
    offsets = ((grid - centre) * spacing) @ turn / axes
    distance = np.sqrt((offsets**2).sum(-1)).astype(np.float32)
    box = grid.shape[:3]
    columns, rows, slices = (int(max(2, size * step // 9)) for size, step in zip(box, spacing))
    distance += 0.2 * smooth_noise(random, box, (columns, rows, slices))
    # the share of a voxel: its own size widens the border
    border = np.hypot(BORDER_MM, float(np.mean(spacing)) / 4)
    share = 1 / (1 + np.exp(np.clip((distance - 1) * radius / (0.5 * border), -30, 30)))
    return tuple(slice(*ends) for ends in zip(low, high)), ndimage.gaussian_filter(share, 0.3)
