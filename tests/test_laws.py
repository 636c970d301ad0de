"""The law of noise: samples as rough as real frames, whatever their codes add already."""

import numpy as np
import pytest

from lvae.metrics.grid_texture import roughness
from lvae.tasks.grids.vae.design import NoiseLaw
from lvae.tasks.grids.vae.laws import fit_noise_law

GRID = (12, 14)


def grids(count, seed):
    """Smooth grids of a pitch of 20 px, and the likelihood's factors: 1 px in x, 2 in y, correlated."""
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(20.0 * np.arange(GRID[1]), 20.0 * np.arange(GRID[0])[::-1])
    slope = 1 + 0.05 * random.standard_normal((count, 1, 1, 2))
    factor = np.broadcast_to(np.array([[1.0, 0.0], [0.6, 2.0]]), (count, *GRID, 2, 2))
    return slope * np.stack([x, y], -1) + 100, factor


def shaken(count, seed, law):
    points, factor = grids(count, seed)
    random = np.random.default_rng([seed, 1])
    noise = np.einsum("nrcde,nrce->nrcd", factor, random.standard_normal(points.shape))
    level = np.exp(law.spread * random.standard_normal((count, 1, 1, 1)))
    return points + np.array([law.along_x, law.along_y]) * level * noise


def test_the_law_that_made_frames_is_found():
    truth = NoiseLaw(0.8, 0.5, 0.25)
    frames = shaken(400, 1, truth)
    seen = np.random.default_rng(2).random(frames.shape[:3]) > 0.1
    points, factors = grids(192, 3)
    law = fit_noise_law(points, factors, 3, roughness(frames, seen))
    # 192 levels of spread 0.25 have a mean that is right to 2 % and a spread right to 5 %.
    assert law.along_x == pytest.approx(truth.along_x, rel=0.1)
    assert law.along_y == pytest.approx(truth.along_y, rel=0.1)
    assert law.spread == pytest.approx(truth.spread, rel=0.25)


def test_what_codes_add_already_is_not_added_again():
    """Drawn grids that are shaken by 0.6 times the noise need sqrt(1 - 0.36) = 0.8 of it."""
    whole = shaken(400, 1, NoiseLaw(1.0, 1.0, 0.0))
    drawn = shaken(192, 3, NoiseLaw(0.6, 0.6, 0.0))
    wanted = roughness(whole, np.ones(whole.shape[:3], bool))
    law = fit_noise_law(drawn, grids(192, 3)[1], 3, wanted)
    assert law.along_x == pytest.approx(0.8, rel=0.1)
    assert law.along_y == pytest.approx(0.8, rel=0.1)


def test_grids_that_are_rougher_than_frames_get_no_noise():
    smooth = grids(50, 1)[0]
    wanted = roughness(np.rint(smooth), np.ones(smooth.shape[:3], bool))
    drawn = shaken(64, 3, NoiseLaw(2.0, 2.0, 0.0))
    law = fit_noise_law(drawn, grids(64, 3)[1], 0, wanted)
    assert max(law.along_x, law.along_y) < 0.3


def test_frames_without_four_neighbours_say_nothing_of_noise():
    points, factors = grids(3, 0)
    assert fit_noise_law(points, factors, 0, np.full((4, 2), np.nan)) == NoiseLaw(1.0, 1.0, 0.0)


def test_roughness_is_that_of_the_errors_and_not_of_the_shape():
    points, _ = grids(300, 0)
    everywhere = np.ones(points.shape[:3], bool)
    assert roughness(points, everywhere).max() < 1e-6  # a plane has no third difference
    noise = np.random.default_rng(4).standard_normal(points.shape)
    rough = roughness(points + 1.5 * noise, everywhere)
    # Third differences of errors of deviation s have deviation sqrt(20) s; the mean size of the lower
    # three quarters of a normal variable, below 1.150 deviations, is 0.514 of its deviation.
    np.testing.assert_allclose(rough.mean(0), 1.5 * np.sqrt(20) * 0.514, rtol=0.02)
    step = np.where(np.arange(GRID[1])[:, None] > 6, [8.0, 30.0], 0.0)  # an edge in each row
    edged = roughness(points + step + noise, everywhere) / roughness(points + noise, everywhere)
    assert edged.mean() < 1.35  # three third differences of eleven meet it; all would count 3 times
    alone = np.zeros(GRID, bool)
    alone[3, 4] = True
    assert np.isnan(roughness(points[:1], alone[None])).all()
