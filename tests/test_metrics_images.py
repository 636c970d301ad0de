"""Image metrics against scikit-image, and against the published definition written in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lvae.metrics import images as metrics


def pair(shape, noise=0.2, seed=0):
    """Smooth images and their noisy copies, float32 in [0, 1]."""
    generator = np.random.default_rng(seed)
    smooth = gaussian_filter(generator.random(shape), (0, 2, 2, 0))
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    noisy = np.clip(smooth + noise * generator.standard_normal(shape), 0, 1)
    return noisy.astype(np.float32), smooth.astype(np.float32)


def jitted(scales):
    return jax.jit(lambda x, y: metrics.multiscale_ssim(x, y, scales=scales))


def oracle_similarities(x, y):
    """Luminance and contrast-structure of two (height, width) images, float64."""

    def mean(image):
        return gaussian_filter(image, 1.5, truncate=3.5)[5:-5, 5:-5]

    ux, uy = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - ux**2, mean(y * y) - uy**2, mean(x * y) - ux * uy
    luminance = (2 * ux * uy + 1e-4) / (ux**2 + uy**2 + 1e-4)
    return luminance, (2 * vxy + 9e-4) / (vx + vy + 9e-4)


def oracle_multiscale(x, y, scales):
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
    weights = weights / weights.sum()
    x, y = x.astype(np.float64), y.astype(np.float64)
    result = 1.0
    for scale in range(scales):
        luminance, contrast = oracle_similarities(x, y)
        if scale == scales - 1:
            return result * (luminance * contrast).mean() ** weights[scale]
        result *= contrast.mean() ** weights[scale]
        x, y = (
            np.stack([image[a::2, b::2] for a in (0, 1) for b in (0, 1)]).mean(0)
            for image in (x, y)
        )


@pytest.mark.parametrize("shape", [(3, 28, 28, 1), (2, 31, 40, 3), (1, 75, 140, 1)])
def test_psnr_and_ssim_are_those_of_scikit_image(shape):
    noisy, clean = pair(shape)
    psnr = jax.jit(metrics.psnr)(jnp.asarray(noisy), jnp.asarray(clean))
    ssim = jax.jit(metrics.ssim)(jnp.asarray(noisy), jnp.asarray(clean))
    for index in range(shape[0]):
        x, y = noisy[index].astype(np.float64), clean[index].astype(np.float64)
        expected = structural_similarity(
            x,
            y,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1,
        )
        assert float(psnr[index]) == pytest.approx(
            peak_signal_noise_ratio(y, x, data_range=1.0), abs=1e-4
        )
        assert float(ssim[index]) == pytest.approx(expected, abs=1e-5)


def test_data_range_scales_out():
    noisy, clean = (jnp.asarray(array) for array in pair((2, 24, 24, 1)))
    for metric in (metrics.psnr, metrics.ssim):
        np.testing.assert_allclose(
            metric(noisy * 255, clean * 255, data_range=255.0), metric(noisy, clean), rtol=1e-4
        )


@pytest.mark.parametrize(("side", "scales"), [(128, 4), (48, 3)])
def test_multiscale_ssim_is_the_published_formula(side, scales):
    noisy, clean = pair((2, side, side, 1))
    found = jitted(scales)(jnp.asarray(noisy), jnp.asarray(clean))
    for index in range(2):
        expected = oracle_multiscale(noisy[index, ..., 0], clean[index, ..., 0], scales)
        assert float(found[index]) == pytest.approx(expected, abs=1e-5)


def test_multiscale_ssim_of_constant_images_is_the_coarsest_luminance():
    a, b = jnp.full((1, 176, 176, 1), 0.4), jnp.full((1, 176, 176, 1), 0.7)
    luminance = (2 * 0.4 * 0.7 + 1e-4) / (0.4**2 + 0.7**2 + 1e-4)
    found = jitted(5)(a, b)
    assert float(found[0]) == pytest.approx(luminance ** (0.1333 / 1.0001), abs=1e-5)


def test_equal_images_score_perfectly():
    _, clean = pair((2, 44, 44, 1))
    clean = jnp.asarray(clean)
    assert np.all(np.isinf(metrics.psnr(clean, clean)))
    np.testing.assert_allclose(jax.jit(metrics.ssim)(clean, clean), 1.0, atol=1e-5)
    np.testing.assert_allclose(jitted(None)(clean, clean), 1.0, atol=1e-5)


def test_an_odd_side_repeats_its_last_line():
    noisy, clean = pair((1, 45, 46, 1))
    padded = [
        jnp.asarray(np.concatenate([image, image[:, -1:]], axis=1)) for image in (noisy, clean)
    ]
    halved = metrics._halved(jnp.asarray(noisy))
    np.testing.assert_allclose(halved, metrics._halved(padded[0]), rtol=1e-6)
    assert jax.eval_shape(jitted(3), noisy, clean).shape == (1,)


def test_gradients_climb_to_the_reference():
    noisy, clean = (jnp.asarray(array) for array in pair((2, 48, 48, 1), noise=0.1))

    @jax.jit
    def loss(images):
        return jnp.sum(1 - metrics.multiscale_ssim(images, clean, scales=2))

    gradient = jax.jit(jax.grad(loss))(noisy)
    assert np.all(np.isfinite(gradient))
    step = 1e-3 / float(jnp.linalg.norm(gradient))
    predicted = step * float(jnp.sum(gradient**2))
    change = float(loss(noisy)) - float(loss(noisy - step * gradient))
    assert change == pytest.approx(predicted, rel=0.05)  # first order in a step of 1e-3


def test_gradients_are_finite_where_structure_is_reversed():
    _, clean = (jnp.asarray(array) for array in pair((1, 24, 24, 1)))
    score = jax.jit(jax.value_and_grad(lambda x: jnp.sum(metrics.multiscale_ssim(x, clean))))
    value, gradient = score(1 - clean)
    assert float(value) == 0.0
    assert np.all(np.isfinite(gradient))


def test_how_many_scales_a_size_carries():
    sizes = {10: 0, 11: 1, 28: 2, 64: 3, 128: 4, 176: 5, 512: 5}
    assert {side: metrics.largest_scales(side, side) for side in sizes} == sizes
    assert metrics.largest_scales(28, 512) == 2


def test_sizes_that_do_not_fit_are_refused():
    image = jnp.zeros((1, 128, 128, 1))
    with pytest.raises(ValueError, match=r"5 scales of images of 128 x 128.*allows at most 4"):
        metrics.multiscale_ssim(image, image, scales=5)
    with pytest.raises(ValueError, match="allows at most 0"):
        metrics.ssim(image[:, :9], image[:, :9])
    with pytest.raises(ValueError, match="expected one shape"):
        metrics.psnr(image, image[..., 0])
