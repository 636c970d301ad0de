"""A place for missing points: closed forms, in any grid and frame."""

import numpy as np
import pytest

from lvae.data.filling import fill_missing


@pytest.mark.parametrize(("rows", "columns"), [(18, 18), (5, 5), (5, 64), (10, 14), (64, 64)])
@pytest.mark.parametrize("scale", [1.0, 1 / 3])
def test_missing_points_of_a_sheared_grid_are_where_they_belong(rows, columns, scale):
    """A plane is not pulled at, so that it comes back to float32 and the solver's 1e-6."""
    column, row = np.meshgrid(np.arange(float(columns)), np.arange(float(rows)))
    points = scale * np.stack([100 + 20 * column + 2 * row, 700 - 9 * row + column], -1)[None]
    visible = np.random.default_rng(0).random((1, rows, columns)) > 0.2
    filled = fill_missing(np.where(visible[..., None], points, 0), visible)
    assert np.abs(filled - points).max() < 2e-3 * scale
    assert np.array_equal(filled[visible], points.astype(np.float32)[visible])


def test_filled_points_scale_with_the_frame():
    rng = np.random.default_rng(1)
    points = 700 * rng.random((3, 7, 9, 2))
    visible = rng.random((3, 7, 9)) > 0.3
    assert fill_missing(points / 3, visible) * 3 == pytest.approx(
        fill_missing(points, visible), abs=1e-3
    )
