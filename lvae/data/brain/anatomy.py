"""What one template, however deformed, does not have: other folds, wider or narrower sulci, lesions.

Places are (3, ...) arrays of mm in the template's space, x to the right, y to the front, z up.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from lvae.data.brain.smooth_fields import Axes, smooth_fields

CENTRE = np.array([0.0, -18.0, 10.0])  # mm: rays from here meet the surface about once
DEEP, CORTICAL = 0.62, 0.80  # of the way to the surface: below nothing slides, above all of it
FISSURE_MM = (5.0, 16.0)  # from the middle plane: nearer than the first nothing slides
BASE_MM = (-14.0, 8.0)  # height: below the first nothing slides, the base of a brain is no ball
SLIDE = 0.13  # rad, deviation of each part of a slide along the surface: about 9 mm
DIRECTIONS = (36, 72)  # polar and azimuthal steps of the table of the surface
MARGIN = 5  # pixels around the template's head in which a cortex that slid may lie
REACH_MM = 120.0  # no surface is further away

Places = Float[np.ndarray, "3 z y x"]
Points = Float[np.ndarray, "3 n"]  # the places near the head
Values = Float[np.ndarray, " n"]
Image = Float[np.ndarray, "z y x"]
Array3 = Float[np.ndarray, "x y z"]


class Template(NamedTuple):
    """A template and what is made of it once.

    array: grey values in [0, 1]. thinned, thickened: with every bright structure a voxel thinner and
    thicker. affine: voxels to mm. surface: mm from `CENTRE` to the surface, by direction.
    """

    array: Array3
    thinned: Array3
    thickened: Array3
    affine: Float[np.ndarray, "4 4"]
    surface: Float[np.ndarray, "polar azimuthal"]


def template_of(array: Array3, affine: Float[np.ndarray, "4 4"], threshold: float) -> Template:
    """The template with all that subjects are made of; above `threshold` it is head."""
    return Template(
        array,
        ndimage.minimum_filter(array, 3),
        ndimage.maximum_filter(array, 3) * (array > threshold),
        affine,
        _surface(array > threshold, affine),
    )


def folded(template: Template, places: Places, axes: Axes, random: np.random.Generator) -> Image:
    """The template's grey values at some places, with a cortex of its own.

    The cortex slides along the surface, by another field of slides in some regions than in others;
    between them folds end or join that do so in no deformation of the template, and in half of the
    subjects the regions of the second kind come from the other side of the brain. Atrophy is the
    part of a thinned template (or growth, of a thickened one), smooth in space.
    """
    atrophy = np.clip(random.normal(0.2, 0.45), -0.6, 1.0)
    atrophy = np.clip(atrophy + 0.25 * smooth_fields(random, 1, axes, 45.0)[0], -0.8, 1.0)
    region = 0.5 + 0.5 * np.tanh(4.0 * smooth_fields(random, 1, axes, 30.0)[0])
    slides = [SLIDE * smooth_fields(random, 3, axes, 32.0) for _ in range(2)]
    other_side = bool(random.integers(2))

    image = ndimage.map_coordinates(template.array, voxels_of(template.affine, places), order=1)
    near = ndimage.binary_dilation(image > 0, np.ones((1, 3, 3)), MARGIN)  # a third of all places
    points, atrophy, region = places[:, near], atrophy[near], region[near]
    depth, toward, distance = _polar(template, points)
    free = _ramp(depth, DEEP, CORTICAL) * _ramp(np.abs(points[0]), *FISSURE_MM)
    free *= _ramp(points[2], *BASE_MM)
    kinds = []
    for slide, mirrored in zip(slides, (False, other_side)):
        turned = toward + slide[:, near]
        turned /= np.linalg.norm(turned, axis=0)
        slid = distance * _reach(template, turned) / _reach(template, toward)
        moved = points + free * (CENTRE[:, None] + slid * turned - points)
        kinds.append(_grey(template, moved * [[-1.0 if mirrored else 1.0], [1.0], [1.0]], atrophy))
    image[near] = kinds[0] + free * region * (kinds[1] - kinds[0])
    return image


def _grey(template: Template, points: Points, atrophy: Values) -> Values:
    voxels = voxels_of(template.affine, points)
    plain, thin, thick = (
        ndimage.map_coordinates(array, voxels, order=1)
        for array in (template.array, template.thinned, template.thickened)
    )
    return plain + np.where(atrophy > 0, atrophy * (thin - plain), -atrophy * (thick - plain))


def lesioned(image: Image, places: Places, axes: Axes, random: np.random.Generator) -> Image:
    """With dark spots in the white matter (two of five subjects) and a healed stroke (one of
    eight): grey values, 0.86 is white matter and 0.25 fluid."""
    edge = 3.0 * smooth_fields(random, 1, axes, 7.0)[0]  # mm: no lesion is round
    if random.random() < 0.4:
        for _ in range(random.integers(2, 9)):
            middle = np.array([24.0, 0.0, 24.0]) + random.normal(0, [5.0, 26.0, 7.0])
            middle[0] *= random.choice([-1, 1])
            inside = _blob(places, middle, random.uniform(2.0, 5.0), 0.5 * edge)
            image = image - 0.6 * inside * np.clip(image - 0.5, 0, None)
    if random.random() < 0.125:
        side = random.choice([-1, 1])
        middle = np.array(
            [side * random.uniform(28, 58), random.uniform(-65, 25), random.uniform(-5, 45)]
        )
        inside = _blob(places, middle, random.uniform(8.0, 18.0), edge)
        image = image - inside * np.clip(image - 0.28, 0, None) * random.uniform(0.6, 1.0)
    return image


def _blob(places: Places, middle: np.ndarray, radius: float, edge: Image) -> Image:
    """1 inside a ball whose surface is moved by `edge` mm, 0 outside, smooth within 4 mm."""
    away = np.sqrt(((places - middle[:, None, None, None]) ** 2).sum(0))
    return np.clip((radius + edge - away) / 4.0 + 0.5, 0, 1)


def voxels_of(affine: Float[np.ndarray, "4 4"], places: Float[np.ndarray, "3 ..."]) -> np.ndarray:
    """Places in voxels of the template."""
    inverse = np.linalg.inv(affine)
    offset = inverse[:3, 3].reshape(3, *[1] * (places.ndim - 1))
    return np.tensordot(inverse[:3, :3], places, 1) + offset


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    part = np.clip((values - low) / (high - low), 0, 1)
    return part**2 * (3 - 2 * part)


def _polar(template: Template, points: Points) -> tuple[Values, Points, Values]:
    """The part of the way from the centre to the surface, the direction, the distance in mm."""
    away = points - CENTRE[:, None]
    distance = np.linalg.norm(away, axis=0) + 1e-6
    toward = away / distance
    return distance / _reach(template, toward), toward, distance


def _reach(template: Template, toward: Points) -> Values:
    """mm from the centre to the surface in a direction."""
    polar, azimuthal = DIRECTIONS
    rows = np.arccos(np.clip(toward[2], -1, 1)) / np.pi * (polar - 1)
    columns = (np.arctan2(toward[1], toward[0]) / (2 * np.pi) % 1.0) * azimuthal
    return ndimage.map_coordinates(template.surface, [rows, columns], order=1, mode="grid-wrap")


def _surface(head: np.ndarray, affine: np.ndarray) -> Float[np.ndarray, "polar azimuthal"]:
    """The furthest head along rays from the centre, smoothed."""
    polar, azimuthal = np.meshgrid(
        np.linspace(0, np.pi, DIRECTIONS[0]),
        np.arange(DIRECTIONS[1]) * 2 * np.pi / DIRECTIONS[1],
        indexing="ij",
    )
    toward = np.stack(
        [np.sin(polar) * np.cos(azimuthal), np.sin(polar) * np.sin(azimuthal), np.cos(polar)]
    )
    steps = np.arange(20.0, REACH_MM, 1.0)
    rays = CENTRE[:, None, None, None] + toward[..., None] * steps
    inside = ndimage.map_coordinates(head.astype(np.float32), voxels_of(affine, rays), order=0) > 0
    furthest = np.where(inside, steps, 20.0).max(-1)
    return ndimage.gaussian_filter(furthest, 1.0, mode=("nearest", "wrap"))
