"""Classical denoisers: each is what its name says, and tuning finds the best of its grid."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import restoration

from lvae.imaging import classical

GENERATOR = np.random.default_rng(5)
CLEAN = np.zeros((3, 24, 24, 1), np.float32)
CLEAN[:, 6:18, 8:16] = 0.9
NOISY = (CLEAN + GENERATOR.uniform(-0.5, 0.5, CLEAN.shape)).astype(np.float32)


def score(cleaned, clean):
    return -float(np.mean((cleaned - clean) ** 2))


@pytest.mark.parametrize(
    ("method", "parameters", "oracle"),
    [
        ("clip", {}, lambda x: x),
        ("box", {"size": 3}, lambda x: ndimage.uniform_filter(x, 3, mode="mirror")),
        (
            "gaussian",
            {"sigma": 0.8},
            lambda x: ndimage.gaussian_filter(x, 0.8, mode="mirror", radius=classical.BLUR_RADIUS),
        ),
        ("median", {"size": 3}, lambda x: ndimage.median_filter(x, 3, mode="mirror")),
        (
            "total_variation",
            {"weight": 0.3},
            lambda x: restoration.denoise_tv_chambolle(x, weight=0.3),
        ),
        (
            "non_local_means",
            {"h": 0.3, "patch_size": 5},
            lambda x: restoration.denoise_nl_means(x, patch_size=5, patch_distance=6, h=0.3),
        ),
        (
            "wavelet",
            {"sigma": 0.2, "wavelet": "haar", "mode": "soft"},
            lambda x: restoration.denoise_wavelet(x, sigma=0.2, wavelet="haar", mode="soft"),
        ),
    ],
)
def test_each_method_is_what_its_name_says_and_clipped(method, parameters, oracle):
    found = classical.denoise(method, NOISY, parameters)
    expected = np.clip([oracle(image) for image in NOISY[..., 0]], 0, 1)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-5)
    assert set(parameters) == set(classical.GRIDS[method])


def test_tuning_finds_the_best_of_the_grid_for_each_score():
    scores = {"error": score, "darkness": lambda cleaned, clean: -float(cleaned.mean())}
    best = classical.tune("median", NOISY, CLEAN, scores)
    for name, function in scores.items():
        by_size = {
            size: function(classical.denoise("median", NOISY, {"size": size}), CLEAN)
            for size in classical.GRIDS["median"]["size"]
        }
        assert best[name] == {"size": max(by_size, key=lambda size: by_size[size])}
    assert classical.tune("clip", NOISY, CLEAN, scores) == {"error": {}, "darkness": {}}
