"""Smooth random fields on a grid: how heads, coils and regions of a cortex differ."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Axes = Sequence[np.ndarray]  # places along z, y and x, mm


def smooth_fields(
    random: np.random.Generator, count: int, axes: Axes, knots_mm: float
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
