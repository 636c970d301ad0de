"""Random changes of shape: how much each part moves is measured on images whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lvae.imaging.warps import Warp, random_warp

STILL = Warp(turn=0, shear=0, scale=0, shift=0, bend=0, power=0)
COUNT = 1500
SIDE = 35
# A standard deviation of COUNT normal numbers is within 5 of its own deviations, 1 / sqrt(2 COUNT).
WITHIN = 5 / np.sqrt(2 * COUNT)


def blob(x_deviation, y_deviation):
    """A Gaussian spot in the middle."""
    line = np.arange(SIDE) - (SIDE - 1) / 2
    return np.exp(-0.5 * (line[:, None] / y_deviation) ** 2 - 0.5 * (line / x_deviation) ** 2)


def warped(image, warp, key=0):
    images = jnp.tile(jnp.asarray(image, jnp.float32), (COUNT, 1, 1))
    return np.asarray(random_warp(jax.random.key(key), images, warp), np.float64)


def moments(images):
    """Mean place (x, y) and covariance of each image's weights."""
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    places = np.stack([x.ravel(), y.ravel()], -1)
    weights = images.reshape(len(images), -1)
    weights = weights / weights.sum(1, keepdims=True)
    means = weights @ places
    squares = np.einsum("np,pi,pj->nij", weights, places, places)
    return means, squares - means[:, :, None] * means[:, None, :]


def test_nothing_changes_without_deviations():
    image = blob(4, 2)
    np.testing.assert_allclose(warped(image, STILL)[7], image, atol=2e-6)


def test_images_move_by_pixels():
    means, _ = moments(warped(blob(2, 2), STILL._replace(shift=1.5)))
    np.testing.assert_allclose(means.std(0), 1.5, rtol=WITHIN)


def test_images_turn_by_degrees():
    _, spread = moments(warped(blob(5, 2), STILL._replace(turn=8.0)))
    angle = 0.5 * np.arctan2(2 * spread[:, 0, 1], spread[:, 0, 0] - spread[:, 1, 1])
    assert np.rad2deg(angle).std() == pytest.approx(8.0, rel=WITHIN)


def test_images_scale_and_shear_by_shares():
    _, spread = moments(warped(blob(3, 3), STILL._replace(scale=0.1)))
    for axis in range(2):
        assert np.log(spread[:, axis, axis] ** 0.5).std() == pytest.approx(0.1, rel=WITHIN)
    _, spread = moments(warped(blob(3, 3), STILL._replace(shear=0.2)))
    assert (spread[:, 0, 1] / spread[:, 1, 1]).std() == pytest.approx(0.2, rel=WITHIN)


def test_images_bend_by_pixels_and_each_in_its_own_way():
    ramp = np.tile(np.arange(25) / 24, (25, 1))
    images = warped(ramp, STILL._replace(bend=1.2))
    # The middle of 25 pixels is the middle of the five knots: there the field is a knot's own.
    assert (24 * images[:, 12, 12]).std() == pytest.approx(1.2, rel=WITHIN)
    across = 24 * np.diff(images[:, 5:20, 12], axis=1)
    assert np.abs(across).max() < 3  # px from one row to the next: smooth
    assert np.corrcoef(images[:-1, 12, 12], images[1:, 12, 12])[0, 1] < 5 / np.sqrt(COUNT)


def test_brightness_changes_by_a_power():
    images = warped(np.full((8, 8), 0.5), STILL._replace(power=0.3))
    power = np.log(images[:, 4, 4]) / np.log(0.5)
    assert np.log(power).std() == pytest.approx(0.3, rel=WITHIN)
    np.testing.assert_allclose(images[:, 0, 0], images[:, 7, 7], rtol=1e-5)


def test_beyond_the_edge_lies_black():
    images = warped(np.ones((8, 8)), STILL._replace(shift=20.0))
    assert (images.max((1, 2)) < 1e-3).mean() > 0.5
