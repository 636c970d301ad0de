"""Texture features: against plain loops, and what must not change them."""

import numpy as np
import pytest

from lvae.metrics import grid_texture as texture


def frames(seed, count=3, rows=6, columns=7, missing=0.15):
    random = np.random.default_rng(seed)
    x = 100 + 20 * np.arange(columns)[None, None] + np.zeros((count, rows, 1))
    y = 300 - 25 * np.arange(rows)[None, :, None] + np.zeros((count, 1, columns))
    points = np.stack([x, y], -1) + random.normal(0, 2, (count, rows, columns, 2))
    visible = random.random((count, rows, columns)) >= missing
    return np.where(visible[..., None], points, 0), visible


def plain(points, visible, pitch):
    """One frame, triple by triple."""
    rows, columns = visible.shape
    weights = {1: (-1, 1), 2: (1, -2, 1), 3: (-1, 3, -3, 1)}
    numbers = []
    for along in ("row", "column"):
        for order, weight in weights.items():
            values = []
            for row in range(rows):
                for column in range(columns):
                    cells = [
                        (row, column + k) if along == "row" else (row + k, column)
                        for k in range(order + 1)
                    ]
                    if all(r < rows and c < columns and visible[r, c] for r, c in cells):
                        values.append(
                            sum(w * points[cell] / pitch for w, cell in zip(weight, cells))
                        )
            values = np.array(values)
            values = values - np.median(values, 0) if order == 1 else abs(values)
            numbers.append(np.percentile(values, texture.PERCENTILES, axis=0).T.ravel())
    values = []
    for row in range(1, rows - 1):
        for column in range(1, columns - 1):
            cells = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
            if visible[row, column] and all(visible[cell] for cell in cells):
                mean = np.mean([points[cell] for cell in cells], 0)
                values.append(abs(points[row, column] - mean) / pitch)
    numbers.append(np.percentile(values, texture.PERCENTILES, axis=0).T.ravel())
    return np.concatenate(numbers)


def test_equal_to_plain_loops():
    points, visible = frames(0)
    pitch = np.array([20.0, 25.0])
    ours = texture.grid_texture_features(points, visible, pitch)
    for index in range(len(points)):
        expected = plain(points[index], visible[index], pitch)
        np.testing.assert_allclose(ours[index, : len(expected)], expected, atol=1e-12)
    np.testing.assert_array_equal(ours[:, len(expected) :], texture.missing_pattern(visible))


def test_place_slant_and_stretch_of_a_frame_are_not_texture():
    """A linear map moves first differences' medians; without noise all else is the same."""
    random = np.random.default_rng(1)
    _, visible = frames(1)
    k, row = np.meshgrid(np.arange(7.0), np.arange(6.0))
    regular = np.stack([k, -row], -1)[None] + np.zeros((3, 1, 1, 1))
    maps = np.eye(2) * 20 + random.normal(0, 2, (3, 1, 2, 2))
    slanted = regular @ maps + random.normal(0, 50, (3, 1, 1, 2))
    pitch = np.array([20.0, 20.0])
    np.testing.assert_allclose(
        texture.grid_texture_features(slanted, visible, pitch),
        texture.grid_texture_features(20 * regular, visible, pitch),
        atol=1e-10,
    )


def test_every_size_of_frame_has_the_same_features_in_its_own_pitch():
    points, visible = frames(2)
    scale = np.array([1 / 3, 2.0])
    np.testing.assert_allclose(
        texture.grid_texture_features(points * scale, visible),
        texture.grid_texture_features(points, visible),
        atol=1e-9,
    )


def test_pitch_is_the_median_spacing():
    points, visible = frames(3, missing=0)
    x = np.median(np.abs(np.diff(points[..., 0], axis=2)))
    y = np.median(np.abs(np.diff(points[..., 1], axis=1)))
    np.testing.assert_allclose(texture.pitch_of(points, visible), [x, y])


def test_missing_pattern_of_a_known_frame():
    visible = np.ones((2, 5, 5), bool)
    visible[0, 0, :2] = False  # a run in the outer ring
    visible[0, 2, 2] = False  # alone inside
    visible[0, 3:, 4] = False  # a run in a column of the ring
    expected = [5 / 25, 4 / 16, 1 / 9, 2 / 5, 2 / 5, 1 / 5, (5 / 3) / 5, 2 / 5, 3 / 5]
    np.testing.assert_allclose(texture.missing_pattern(visible)[0], expected)
    assert not texture.missing_pattern(visible)[1].any()


@pytest.mark.parametrize("seen", [0, 1, 2])
def test_frames_with_next_to_nothing_seen_are_finite(seen):
    points, _ = frames(4)
    visible = np.zeros(points.shape[:3], bool)
    visible[:, 2, :seen] = True
    features = texture.grid_texture_features(points, visible, np.array([20.0, 25.0]))
    assert np.isfinite(features).all()
    assert not features[:, : 7 * 14].any()


def test_small_grids_without_third_differences_are_finite():
    points, visible = frames(5, rows=3, columns=3, missing=0)
    features = texture.grid_texture_features(points, visible)
    assert features.shape[1] == 7 * 14 + 9
    assert np.isfinite(features).all()
