"""Pseudo-subjects: the MNI152 template as heads of other shapes, seen by other scanners."""

import functools

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from lvae.data import volumes
from lvae.data.brain import anatomy, kept
from lvae.data.brain.anatomy import Template
from lvae.data.brain.settings import WINDOW_PERCENTILE, DataSettings
from lvae.data.brain.smooth_fields import smooth_fields
from lvae.data.brain.splits import SPLITS, Split, joined, slices_of

VERSION = 1  # of what `make_subject` draws: another one leaves what is kept alone
LOWEST_MM, HIGHEST_MM = -18.0, 50.0  # of the MNI space: the axial slices in which the brain is wide


def make_splits(config: DataSettings) -> dict[str, Split]:
    """Splits of pseudo-subjects made from the MNI152 template; the same for the same config.

    Raises:
      UserError: nilearn is not installed.
    """
    splits, first = {}, 0
    for name, count in zip(SPLITS, config.subjects):
        parts = []
        for index in range(first, first + count):
            images = kept_subject(config, index)
            parts.append(slices_of(f"pseudo_{index:04d}", images))
        splits[name], first = joined(parts), first + count
    return splits


def kept_subject(config: DataSettings, index: int) -> UInt8[np.ndarray, "slices size size"]:
    """One subject: from the cache (see `lvae.data.brain.kept`), or drawn and put there.

    Raises:
      UserError: nilearn is not installed.
    """
    identity = {
        "version": VERSION,
        "seed": config.seed,
        "size": config.size,
        "field_of_view_mm": config.field_of_view_mm,
        "slices": config.slices,
        "anatomy": config.anatomy,
    }
    shape = (config.slices, config.size, config.size)
    return kept.kept(identity, index, shape, lambda: make_subject(template_once(), config, index))


@functools.lru_cache(maxsize=1)
def template_once() -> Template:
    """The template, and what subjects are made of, read once.

    Raises:
      UserError: nilearn is not installed.
    """
    template, _ = volumes.template(1)
    return anatomy.template_of(template.array, template.affine, volumes.MASK_THRESHOLD)


def make_subject(
    template: Template, config: DataSettings, index: int
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
        moved += deviation_mm * smooth_fields(random, 3, axes, knots_mm)
    ventricles = np.array([0.0, -12.0, 14.0])[:, None, None, None]
    away = moved - ventricles
    nearness = np.exp(-((away / np.array([22.0, 38.0, 26.0])[:, None, None, None]) ** 2).sum(0))
    moved -= random.normal(0, 0.16) * nearness * away

    if config.anatomy == "template":
        voxels = anatomy.voxels_of(template.affine, moved)
        image = ndimage.map_coordinates(template.array, voxels, order=1)
    else:
        own = np.random.default_rng([config.seed, index, 1])
        image = anatomy.folded(template, moved, axes, own)
        image = anatomy.lesioned(image, moved, axes, own)

    # Grey values of background, fluid, grey matter, white matter, brightest, as in the template ...
    before = np.array([0.0, 0.25, 0.62, 0.86, 1.2])
    after = before + np.array([0.0, *random.normal(0, [0.05, 0.05, 0.04, 0.04])])
    after = np.maximum.accumulate(after) ** np.exp(
        random.normal(0, 0.12)
    )  # ... and in this subject
    inside = np.clip(image / 0.08, 0, 1)  # keeps the background black
    image = np.interp(image, before, after) * inside
    image *= np.exp(0.10 * smooth_fields(random, 1, axes, 70.0)[0])
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
