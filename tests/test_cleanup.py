"""Clean-up against plain loops and scikit-image, on random grids and on real ones."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.restoration import denoise_bilateral

from lvae.grids import cleanup

SIZE = 768


def smooth_oracle(grid):
    """Step 7 of the reference method, one channel at a time."""
    smoothed = np.empty_like(grid)
    for channel in range(2):
        values = grid[..., channel]
        filtered = denoise_bilateral(values, win_size=3, sigma_spatial=100, mode="edge")
        filtered = filtered - filtered.min()
        smoothed[..., channel] = filtered * (values.max() / filtered.max())
    return smoothed


def drop_oracle(grid):
    grid = grid.copy()
    rows, columns = grid.shape[:2]
    for row in range(rows):
        largest = 0.0
        for column in range(columns):
            if grid[row, column, 0] > largest:
                largest = grid[row, column, 0]
            else:
                grid[row, column] = 0
    for column in range(columns):
        largest = 0.0
        for row in reversed(range(rows)):
            if grid[row, column, 1] > largest:
                largest = grid[row, column, 1]
            else:
                grid[row, column] = 0
    return grid


def regular(rows, columns, rng, noise):
    """A grid in unit coordinates, about as a decoder gives it, with some points missing at (0,
    0)."""
    x = np.linspace(0.25, 0.7, columns)[np.newaxis, :] + np.zeros((rows, 1))
    y = np.linspace(0.8, 0.2, rows)[:, np.newaxis] + np.zeros((1, columns))
    grid = np.stack([x, y], axis=-1) + rng.normal(0, noise, (rows, columns, 2))
    grid[rng.random((rows, columns)) < 0.08] = 0
    return np.clip(grid, 0, 1)


def grids(rows, columns, seed, count=4):
    rng = np.random.default_rng(seed)
    noisy = [regular(rows, columns, rng, noise) for noise in (0.002, 0.01, 0.05)]
    return np.stack([*noisy, *rng.random((count - 3, rows, columns, 2))])


def real_grids(lasten, ids=(0, 57, 105, 160)):
    frames = np.zeros((len(ids), 18, 18, 2))
    for frame, number in zip(frames, ids):
        folder = lasten / ("validation" if number >= 160 else "train")
        for key, point in json.loads((folder / f"{number}.json").read_text()).items():
            frame[divmod(int(key), 18)] = point
    return frames / SIZE


@pytest.mark.parametrize("shape", [(18, 18), (7, 7), (14, 9)])
def test_smoothing_is_scikit_images_filter_and_the_references_rescaling(shape):
    batch = grids(*shape, seed=1)
    expected = np.stack([smooth_oracle(grid) for grid in batch])
    assert np.abs(cleanup.smooth(batch) - expected).max() * SIZE < 1e-9


def test_pixel_and_unit_coordinates_give_the_same_grid():
    batch = grids(18, 18, seed=2)
    assert np.abs(cleanup.smooth(batch * SIZE) - cleanup.smooth(batch) * SIZE).max() < 1e-3


def test_a_decoder_without_a_sigmoid_may_give_negative_coordinates():
    batch = grids(8, 8, seed=3) - 0.3
    expected = np.stack([smooth_oracle(grid) for grid in batch])
    assert np.abs(cleanup.smooth(batch) - expected).max() * SIZE < 1e-9


@pytest.mark.parametrize("bilateral", [True, False])
def test_the_same_points_are_dropped_as_by_plain_loops(bilateral):
    batch = grids(18, 18, seed=4, count=6)
    before = [smooth_oracle(grid) if bilateral else grid for grid in batch]
    expected = np.stack([drop_oracle(grid) for grid in before])
    points, kept = cleanup.clean_up(batch, bilateral=bilateral)
    assert np.array_equal(kept, expected.any(axis=-1))
    assert 0 < kept.sum() < kept.size
    assert np.abs(points - expected).max() * SIZE < 1e-3


def test_real_frames_are_smoothed_and_dropped_as_by_the_oracle(lasten):
    batch = real_grids(lasten)
    expected = np.stack([drop_oracle(smooth_oracle(grid)) for grid in batch])
    points, kept = cleanup.clean_up(batch)
    assert np.array_equal(kept, expected.any(axis=-1))
    assert np.abs(points - expected).max() * SIZE < 1e-3


def test_without_smoothing_real_frames_lose_nothing(lasten):
    batch = real_grids(lasten)
    points, kept = cleanup.clean_up(batch, bilateral=False)
    assert np.array_equal(points, batch)
    assert np.array_equal(kept, batch.any(axis=-1))


def test_under_jit_it_is_the_same_within_float32():
    batch = grids(18, 18, seed=5)
    expected, expected_kept = cleanup.clean_up(batch)
    points, kept = jax.jit(cleanup.clean_up)(jnp.asarray(batch))
    # Float32 holds 6e-8 of a coordinate; a difference that falls into the next of 10,000 steps
    # changes its weight by about a step times the difference over the variance, at most 1e-4 of a
    # spacing.
    same = np.asarray(kept) == expected_kept
    assert same.mean() > 0.999
    assert np.abs(np.asarray(points) - expected)[same].max() * SIZE < 5e-3


def test_invisible_points_do_not_pull_at_their_neighbours():
    grid = np.zeros((1, 6, 6, 2))
    grid[0, ..., 0] = 100 + 20 * np.arange(6)[np.newaxis, :]
    grid[0, ..., 1] = 300 - 20 * np.arange(6)[:, np.newaxis]
    visible = np.ones((1, 6, 6), dtype=bool)
    visible[0, 2, 2] = visible[0, 0, 5] = False
    hidden = np.where(visible[..., np.newaxis], grid, 0)
    garbage = np.where(visible[..., np.newaxis], grid, 700)
    smoothed = cleanup.smooth_visible(hidden, visible)
    assert np.array_equal(smoothed, cleanup.smooth_visible(garbage, visible))
    assert (smoothed[~visible] == 0).all()
    for channel in range(2):
        seen, before = smoothed[visible][:, channel], grid[visible][:, channel]
        assert seen.min() == pytest.approx(before.min())
        assert seen.max() == pytest.approx(before.max())
    # A straight grid stays straight but for one-sided neighbourhoods: within half a spacing
    # everywhere.
    assert np.abs(smoothed - grid)[visible].max() < 10


def test_with_everything_visible_the_masked_filter_is_the_plain_one():
    batch = grids(9, 9, seed=6)
    batch = np.where(batch == 0, 0.4, batch)
    plain = np.stack(
        [
            np.stack(
                [
                    denoise_bilateral(grid[..., c], win_size=3, sigma_spatial=100, mode="edge")
                    for c in range(2)
                ],
                axis=-1,
            )
            for grid in batch
        ]
    )
    masked = cleanup.smooth_visible(batch, np.ones(batch.shape[:-1], dtype=bool))
    # Equal up to the affine map that restores each channel's extremes.
    for ours, theirs, before in zip(masked, plain, batch):
        for channel in range(2):
            a, b, original = ours[..., channel], theirs[..., channel], before[..., channel]
            stretched = (b - b.min()) / (b.max() - b.min()) * np.ptp(original) + original.min()
            assert np.abs(a - stretched).max() < 1e-9


def test_dropping_respects_visibility_and_leaves_points_in_order():
    rng = np.random.default_rng(7)
    points = rng.uniform(10, 700, (5, 12, 10, 2))
    visible = rng.random((5, 12, 10)) < 0.8
    dropped, kept = cleanup.drop_irregular(points, visible)
    assert not (kept & ~visible).any()
    assert (dropped[~kept] == 0).all()
    assert np.array_equal(dropped[kept], points[kept])
    for grid, mask in zip(dropped, kept):
        for row in range(12):
            assert (np.diff(grid[row, mask[row], 0]) > 0).all()
        for column in range(10):
            assert (np.diff(grid[mask[:, column], column, 1]) < 0).all()


@pytest.mark.parametrize("function", [cleanup.smooth, lambda p: cleanup.clean_up(p)[0]])
def test_an_empty_or_flat_grid_gives_numbers(function):
    for value in (0.0, 0.5):
        assert np.isfinite(function(np.full((2, 5, 5, 2), value))).all()
    nothing = np.zeros((2, 5, 5), dtype=bool)
    points, kept = cleanup.clean_up(np.full((2, 5, 5, 2), 0.5), nothing)
    assert not kept.any()
    assert not points.any()


def test_the_filters_width_can_be_the_pitchs_whatever_the_grid():
    """Noise in the middle of a regular grid is smoothed alike in 7 x 7 and in 30 x 30 points."""

    def smoothed(count, color_sigma):
        x, y = np.meshgrid(100 + 10.0 * np.arange(count), 500 - 10.0 * np.arange(count))
        points = np.stack([x, y], -1)[None]
        points[0, 3, 3] += (4, 3)
        whole = cleanup.smooth_visible(points, np.ones((1, count, count), bool), color_sigma)
        return whole[0, 2:5, 2:5]

    width = 10 * cleanup.LASTEN_COLOR_PITCHES

    # The filter pulls border points inwards and stretches the grid back, by less in a larger grid:
    # compare second differences, which a stretch of 1 + 1 / count leaves within that factor.
    def bump(grid):
        return grid[1, 1] - (grid[1, 0] + grid[1, 2]) / 2

    fine, coarse = (bump(smoothed(count, (width, width))) for count in (30, 7))
    assert fine == pytest.approx(coarse, rel=0.25)
    assert pytest.approx(cleanup.LASTEN_COLOR_PITCHES) == LASTEN_WIDTH


LASTEN_WIDTH = np.std(np.arange(18.0))


def test_the_width_of_lastens_grid_is_the_references():
    x, y = np.meshgrid(112 + 32.0 * np.arange(18), 656 - 32.0 * np.arange(18))
    points = np.stack([x, y], -1)[None]
    points[0, 5, 5] += 7
    visible = np.ones((1, 18, 18), bool)
    # One moved point changes the deviation of 324 by less than a thousandth.
    width = 32 * cleanup.LASTEN_COLOR_PITCHES
    given, _ = cleanup.clean_up(points, visible, color_sigma=(width, width))
    own, _ = cleanup.clean_up(points, visible)
    assert np.abs(given - own).max() < 0.05


def test_clean_up_scales_with_the_frame():
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(112 + 32.0 * np.arange(9), 656 - 32.0 * np.arange(12))
    points = np.stack([x, y], -1)[None] + rng.normal(0, 5, (1, 12, 9, 2))
    points[0, 5, 4] += (170, 0)
    visible = rng.random((1, 12, 9)) > 0.1
    whole, kept = cleanup.clean_up(points, visible)
    third, kept_third = cleanup.clean_up(points / 3, visible)
    assert np.array_equal(kept, kept_third)
    assert not kept[visible].all()
    assert np.abs(3 * third - whole).max() < 0.01
