"""Principal components with missing points, against scikit-learn where nothing is missing."""

import numpy as np
from sklearn.decomposition import PCA

from lvae.metrics import linear_baselines


def test_components_are_those_of_pca_where_nothing_is_missing():
    grids = np.random.default_rng(0).normal(size=(12, 3, 4, 2)) * np.arange(1, 25).reshape(3, 4, 2)
    everywhere = np.ones((12, 3, 4), bool)
    model = linear_baselines.fit_components(grids, everywhere, 4)
    expected = PCA(4).fit(grids.reshape(12, -1))
    overlap = np.abs(np.sum(model.basis * expected.components_, axis=1))
    np.testing.assert_allclose(overlap, 1.0, atol=1e-8)
    codes = linear_baselines.codes_of(model, grids, everywhere)
    decoded = linear_baselines.grids_of(model, codes, 3, 4)
    again = expected.inverse_transform(expected.transform(grids.reshape(12, -1)))
    np.testing.assert_allclose(decoded.reshape(12, -1), again, atol=1e-8)


def test_missing_points_of_a_linear_family_are_found():
    generator = np.random.default_rng(1)
    family = generator.normal(size=(2, 48)) * 10
    grids = (generator.normal(size=(40, 2)) @ family + 50).reshape(40, 4, 6, 2)
    visible = generator.uniform(size=(40, 4, 6)) < 0.9
    filled = np.where(visible[..., None], grids, 50.0)
    model = linear_baselines.fit_components(filled, visible, 2, rounds=200)
    codes = linear_baselines.codes_of(model, np.where(visible[..., None], grids, 0.0), visible)
    decoded = linear_baselines.grids_of(model, codes, 4, 6)
    # The rounds shrink the error of the missing points geometrically; 1e-2 px of a 10 px spread.
    np.testing.assert_allclose(decoded, grids, atol=1e-2)


def test_mixture_samples_have_the_codes_mean():
    codes = np.random.default_rng(0).normal(size=(200, 3)) + 7
    drawn = linear_baselines.mixture_samples(codes, 2, 4000, 0)
    np.testing.assert_allclose(drawn.mean(axis=0), codes.mean(axis=0), atol=0.1)
