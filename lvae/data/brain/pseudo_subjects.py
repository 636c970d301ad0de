"""Pseudo-subjects: the MNI152 template as heads of other shapes, seen by other scanners."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from lvae.data import volumes
from lvae.data.brain.settings import WINDOW_PERCENTILE, DataSettings
from lvae.data.brain.splits import SPLITS, Split, joined, slices_of

LOWEST_MM, HIGHEST_MM = -18.0, 50.0  # of the MNI space: the axial slices in which the brain is wide


def make_splits(config: DataSettings) -> dict[str, Split]:
    """Splits of pseudo-subjects made from the MNI152 template; the same for the same config.

    Raises:
      UserError: nilearn is not installed.
    """
    template, _ = volumes.template(1)
    splits, first = {}, 0
    for name, count in zip(SPLITS, config.subjects):
        parts = []
        for index in range(first, first + count):
            images = make_subject(template.array, template.affine, config, index)
            parts.append(slices_of(f"pseudo_{index:04d}", images))
        splits[name], first = joined(parts), first + count
    return splits


def make_subject(
    template: Float[np.ndarray, "x y z"],
    affine: Float[np.ndarray, "4 4"],
    config: DataSettings,
    index: int,
) -> UInt8[np.ndarray, "slices size size"]:
    """One subject: the template seen through a random head position, shape, coil and sequence.

    Position and size: rotations (sd 3 degrees), shifts (2 mm), a scale an axis (4 %). Shape: smooth
    displacements with knots 40 mm apart (sd 4 mm) and 18 mm apart (1 mm), ventricles wider or
    narrower. Coil: a smooth gain (sd 10 %). Sequence: another grey value for each tissue, a gamma,
    Rician noise (sd 1 % of white).
    """
    random = np.random.default_rng([config.seed, index])
    across = config.across_mm()
    spacing = (HIGHEST_MM - LOWEST_MM) / max(config.slices - 1, 1)
    levels = np.linspace(LOWEST_MM, HIGHEST_MM, config.slices) + random.uniform(-0.5, 0.5) * spacing
    # The template's brain reaches from -107 to 74 mm: its middle is 17 mm behind the origin.
    axes = (levels, -across - 17.0, across)
    z, y, x = np.meshgrid(*axes, indexing="ij")
    places = np.stack([x, y, z])  # mm

    tilt = np.deg2rad(random.normal(0, 3.0, 3))
    scale = 1 + random.normal(0, 0.04, 3) + random.normal(0, 0.02)
    centre = np.array([0.0, -17.0, 15.0])
    linear = _rotation(tilt) / scale
    shift = centre + random.normal(0, 2.0, 3) - linear @ centre
    moved = np.tensordot(linear, places, 1) + shift[:, None, None, None]
    for knots_mm, deviation_mm in ((40.0, 4.0), (18.0, 1.0)):
        moved += deviation_mm * _smooth_fields(random, 3, axes, knots_mm)
    ventricles = np.array([0.0, -12.0, 14.0])[:, None, None, None]
    away = moved - ventricles
    nearness = np.exp(-((away / np.array([22.0, 38.0, 26.0])[:, None, None, None]) ** 2).sum(0))
    moved -= random.normal(0, 0.16) * nearness * away

    voxels = np.tensordot(np.linalg.inv(affine)[:3, :3], moved, 1)
    voxels += np.linalg.inv(affine)[:3, 3][:, None, None, None]
    image = ndimage.map_coordinates(template, voxels, order=1)

    # Grey values of background, fluid, grey matter, white matter, brightest, as in the template ...
    before = np.array([0.0, 0.25, 0.62, 0.86, 1.2])
    after = before + np.array([0.0, *random.normal(0, [0.05, 0.05, 0.04, 0.04])])
    after = np.maximum.accumulate(after) ** np.exp(
        random.normal(0, 0.12)
    )  # ... and in this subject
    inside = np.clip(image / 0.08, 0, 1)  # keeps the background black
    image = np.interp(image, before, after) * inside
    image *= np.exp(0.10 * _smooth_fields(random, 1, axes, 70.0)[0])
    noise = random.normal(0, 0.01, (2, *image.shape))
    image = np.hypot(image + noise[0], noise[1]) * inside
    image /= np.percentile(image[image > volumes.MASK_THRESHOLD], WINDOW_PERCENTILE)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def _rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation about x, then y, then z, radians."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        first, second = [other for other in range(3) if other != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _smooth_fields(
    random: np.random.Generator, count: int, axes: Sequence[np.ndarray], knots_mm: float
) -> Float[np.ndarray, "count z y x"]:
    """Random fields of unit deviation on a grid: cubic B-splines with independent normal weights.

    The splines are separable, so a field costs three small matrix products.
    """
    bases = [_spline_basis(axis, knots_mm) for axis in axes]
    fields = random.normal(size=(count, *(basis.shape[1] for basis in bases)))
    for axis, basis in enumerate(bases, start=1):
        fields = np.moveaxis(np.tensordot(fields, basis, (axis, 1)), -1, axis)
    return fields


def _spline_basis(places: np.ndarray, spacing: float) -> Float[np.ndarray, "places knots"]:
    """Cubic B-spline weights of knots `spacing` apart; each row scaled to unit length (unit
    variance)."""
    ordered = np.sort(places)
    knots = np.arange(ordered[0] - 2 * spacing, ordered[-1] + 2 * spacing, spacing)
    distance = np.abs(places[:, None] - knots[None]) / spacing
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)
