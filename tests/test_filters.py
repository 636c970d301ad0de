"""Filters against SciPy and OpenCV, colour included."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, signal

from lvae.imaging import filters

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.random((2, 19, 23, 3)).astype(np.float32)
KERNEL = GENERATOR.standard_normal((3, 5)).astype(np.float32)
TOLERANCE = 3e-6  # some tens of float32 roundings of sums of order 1


def by_channel(function, images=IMAGES):
    """A function of one (height, width) array on every channel of every image, in float64."""
    return np.stack(
        [
            np.stack([function(image[..., c].astype(np.float64)) for c in range(3)], axis=-1)
            for image in images
        ]
    )


@pytest.mark.parametrize(
    ("border", "name"),
    [
        ("reflect101", cv2.BORDER_REFLECT_101),
        ("replicate", cv2.BORDER_REPLICATE),
        ("zero", cv2.BORDER_CONSTANT),
    ],
)
@pytest.mark.parametrize("size", [(3, 5), (4, 2)])
def test_correlation_is_that_of_opencv(border, name, size):
    kernel = KERNEL[: size[0], : size[1]] if size == (3, 5) else np.outer([1, 2, -1, 0.5], [3, 1])
    kernel = kernel.astype(np.float32)
    found = filters.correlate(jnp.asarray(IMAGES), jnp.asarray(kernel), border=border)
    expected = np.stack([cv2.filter2D(image, -1, kernel, borderType=name) for image in IMAGES])
    np.testing.assert_allclose(found, expected, atol=10 * TOLERANCE)


@pytest.mark.parametrize("size", [(3, 5), (2, 4)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_convolution_is_that_of_scipy(size, padding):
    kernel = GENERATOR.standard_normal(size).astype(np.float32)
    found = filters.convolve(jnp.asarray(IMAGES), jnp.asarray(kernel), padding, border="zero")
    expected = by_channel(lambda x: signal.convolve2d(x, kernel, mode=padding))
    np.testing.assert_allclose(found, expected, atol=10 * TOLERANCE)


def test_a_large_kernel_takes_the_other_road_to_the_same_place():
    kernel = GENERATOR.standard_normal((11, 9)).astype(np.float32) / 10
    found = filters.convolve(jnp.asarray(IMAGES), jnp.asarray(kernel), "valid")
    expected = by_channel(lambda x: signal.convolve2d(x, kernel, mode="valid"))
    np.testing.assert_allclose(found, expected, atol=10 * TOLERANCE)


def test_the_identity_kernel_changes_nothing():
    kernel = jnp.zeros((3, 3)).at[1, 1].set(1.0)
    np.testing.assert_array_equal(filters.correlate(jnp.asarray(IMAGES), kernel), IMAGES)


def test_separable_is_the_outer_product():
    rows, columns = jnp.array([1.0, -2.0, 0.5]), jnp.array([0.3, 1.0, 2.0, -1.0, 0.1])
    images = jnp.asarray(IMAGES)
    for padding in ("same", "valid"):
        expected = filters.correlate(images, jnp.outer(rows, columns), padding)
        found = filters.separable(images, rows, columns, padding)
        np.testing.assert_allclose(found, expected, atol=10 * TOLERANCE)


def test_box_and_gaussian_are_those_of_opencv():
    box, gauss = jax.jit(lambda x: (filters.box_filter(x), filters.gaussian_filter(x)))(IMAGES)
    for index, image in enumerate(IMAGES):
        np.testing.assert_allclose(box[index], cv2.blur(image, (5, 5)), atol=TOLERANCE)
        np.testing.assert_allclose(gauss[index], cv2.GaussianBlur(image, (5, 5), 0), atol=TOLERANCE)


@pytest.mark.parametrize(
    ("size", "sigma"), [(1, None), (3, None), (5, None), (7, None), (9, None), (13, None), (7, 1.3)]
)
def test_gaussian_kernels_are_those_of_opencv(size, sigma):
    expected = cv2.getGaussianKernel(size, sigma or 0)[:, 0]
    np.testing.assert_allclose(filters.gaussian_kernel(size, sigma), expected, atol=1e-12)


def test_median_is_that_of_scipy():
    for size in (1, 3, 5):
        found = jax.jit(filters.median_filter, static_argnums=1)(IMAGES, size)
        expected = by_channel(lambda x, size=size: ndimage.median_filter(x, size, mode="mirror"))
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_median_of_images_with_many_ties():
    images = np.round(IMAGES * 3) / 3
    found = jax.jit(filters.median_filter)(images)
    expected = by_channel(lambda x: ndimage.median_filter(x, 5, mode="mirror"), images)
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_normalised_kernels_keep_constants_and_mass():
    flat = jnp.full((1, 12, 12, 1), 0.37)
    spike = jnp.zeros((1, 41, 41, 1)).at[0, 20, 20, 0].set(1.0)
    for function in (
        filters.box_filter,
        filters.gaussian_filter,
        lambda x: filters.gaussian_blur(x, jnp.array([1.7]), 8),
    ):
        np.testing.assert_allclose(jax.jit(function)(flat), flat, rtol=1e-6)
        assert float(jnp.sum(jax.jit(function)(spike))) == pytest.approx(1.0, rel=1e-6)


def test_mistakes_are_named():
    image = jnp.zeros((1, 6, 6, 1))
    with pytest.raises(ValueError, match="padding 'full': expected same or valid"):
        filters.convolve(image, jnp.ones((3, 3)), "full")
    with pytest.raises(ValueError, match="border 'wrap': expected one of reflect101"):
        filters.convolve(image, jnp.ones((3, 3)), border="wrap")
    with pytest.raises(ValueError, match="too small to be mirrored for a kernel of 13 x 13"):
        filters.convolve(image, jnp.ones((13, 13)))
    with pytest.raises(ValueError, match="does not fit into images of 6 x 6"):
        filters.convolve(image, jnp.ones((7, 7)), "valid")
    with pytest.raises(ValueError, match="size 4: expected an odd number"):
        filters.median_filter(image, 4)
    with pytest.raises(ValueError, match="size 4: expected an odd number"):
        filters.gaussian_kernel(4)
