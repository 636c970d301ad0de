"""A place for every point that the camera did not see."""

import numpy as np
from jaxtyping import Bool, Float

_DEGREE = 6  # of the surface; the real frames lie within 3 px of one
_RIDGE = 0.3  # points' worth (of 18 x 18) of pull towards zero coefficients, so that borders do not run away

_GRID = 18 * 18


def fill_missing(
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "frames rows columns 2"]:
    """Visible points as they are, missing ones on a polynomial surface through the visible ones."""
    frames, rows, columns = visible.shape
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    # No more than the grid can tell apart, and as stiff in any grid as in 18 x 18 points.
    powers = [
        (i, j)
        for i in range(min(_DEGREE, columns - 1) + 1)
        for j in range(min(_DEGREE - i, rows - 1) + 1)
    ]
    stiffness = _RIDGE * rows * columns / _GRID
    basis = np.stack([x**i * y**j for i, j in powers], axis=-1).reshape(-1, len(powers))
    ridge = np.diag([0.0 if i + j <= 1 else stiffness for i, j in powers]) + 1e-6 * np.eye(
        len(powers)
    )
    weighted = basis[None] * visible.reshape(frames, -1, 1)
    normal = np.einsum("npk,pl->nkl", weighted, basis) + ridge
    right = np.einsum("npk,npd->nkd", weighted, points.reshape(frames, -1, 2).astype(np.float64))
    surface = (basis @ np.linalg.solve(normal, right)).reshape(points.shape)
    return np.where(visible[..., None], points, surface).astype(np.float32)
