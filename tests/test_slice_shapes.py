"""Shapes in brain slices: discs, ribbons and rings whose numbers are known."""

import numpy as np
import pytest
from scipy import ndimage

from lvae.metrics import slice_shapes, slice_statistics
from lvae.metrics.slice_shapes import NAMES, shape_features
from lvae.metrics.two_sample import two_sample_auroc

SIZE = 128
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] - 63.5
HEAD = np.hypot(ROWS / 1.2, COLUMNS) < 40


def head(grey=0.5):
    return np.where(HEAD, grey, 0.0)


def marked(image, places, radius, value):
    image = image.copy()
    for row, column in places:
        image[np.hypot(ROWS - row, COLUMNS - column) < radius] = value
    return image


def numbers(image):
    return dict(zip(NAMES, shape_features(image[None])[0]))


def test_pieces_are_counted_and_measured():
    places = [(-20, -15), (-20, 15), (20, 0)]
    found = numbers(marked(marked(head(), places, 6, 0.9), [(0, 0)], 4, 0.2))
    area = HEAD.sum() / 1000
    assert found["white pieces"] == pytest.approx(3 / area)
    assert found["dark pieces"] == pytest.approx(1 / area)
    assert found["white largest piece"] == pytest.approx(1 / 3, abs=0.02)
    # the blur moves the boundary of a disc of radius 6 by less than half a pixel
    assert found["white share of the head"] == pytest.approx(3 * np.pi * 36 / HEAD.sum(), rel=0.17)
    assert found["white boundary"] == pytest.approx(2 / 6, rel=0.17)
    assert found["white holes"] == 0
    assert found["islands"] == 0


def test_a_ring_has_a_hole_and_a_width():
    ring = marked(marked(head(), [(0, 0)], 20, 0.9), [(0, 0)], 14, 0.5)
    found = numbers(marked(ring, [(-35, 0)], 4, 0.2))
    assert found["white holes"] == pytest.approx(1000 / HEAD.sum())
    assert found["white width 50 %"] == pytest.approx(6, abs=1)


def test_islands_and_hollows_of_the_outline():
    outside = marked(head(), [(-56, 40)], 4, 0.5)
    outside[np.hypot(ROWS - 48, COLUMNS) < 12] = 0
    plain, changed = numbers(head()), numbers(outside)
    assert changed["islands"] == 1
    assert plain["outline hollows"] < 0.02 < 0.05 < changed["outline hollows"]
    assert plain["outline length"] == pytest.approx(1.0, abs=0.1)
    assert changed["outline length"] > 1.1 * plain["outline length"]


def folds(seed):
    """Ribbons that stand on the surface, of two pixels and more."""
    random = np.random.default_rng(seed)
    bent = 0.1 * ndimage.gaussian_filter(random.normal(size=(SIZE, SIZE)), 8) * 8
    angle = np.arctan2(ROWS, COLUMNS) + bent
    return np.where(HEAD, 0.6 + 0.2 * np.sin(24 * angle + random.uniform(0, 6)), 0.0)


def blobs(like, seed):
    """The same grey values at places that noise of the same power spectrum tells."""
    random = np.random.default_rng(seed)
    inside = np.where(HEAD, like - like[HEAD].mean(), 0)
    phases = np.angle(np.fft.rfft2(random.normal(size=like.shape)))
    noise = np.fft.irfft2(np.abs(np.fft.rfft2(inside)) * np.exp(1j * phases), like.shape)
    image = np.zeros_like(like)
    image[HEAD] = np.sort(like[HEAD])[np.argsort(np.argsort(noise[HEAD]))]
    return image


def test_ribbons_stand_on_the_surface_and_blobs_do_not():
    ribbons, others = numbers(folds(0)), numbers(blobs(folds(0), 1))
    # gradients of ribbons that stand on the surface run along it: a mean square cosine near 0
    assert ribbons["direction to the surface"] < -0.3
    assert abs(others["direction to the surface"]) < 0.15
    assert ribbons["direction at 1 px"] > 0.8 > others["direction at 1 px"]


def test_blobs_of_the_same_grey_values_are_told_from_folds():
    real = np.stack([folds(seed) for seed in range(12)])
    drawn = np.stack([blobs(folds(20 + seed), seed) for seed in range(12)])
    grey = slice(0, len(slice_statistics.GREY_PERCENTILES))
    features = [slice_statistics.slice_features(part)[:, grey] for part in (real, drawn)]
    np.testing.assert_allclose(*(part.mean(0) for part in features), atol=0.01)
    shapes = (shape_features(part) for part in (real, drawn))
    assert two_sample_auroc(*shapes, np.arange(12) // 3, trees=20).auroc.value > 0.99


def test_brightness_changes_no_shape():
    image = folds(3)
    np.testing.assert_allclose(shape_features(image[None]), shape_features(0.5 * image[None]))


def test_without_a_head_or_without_contrast_numbers_are_finite():
    found = shape_features(np.stack([np.zeros((SIZE, SIZE)), head()]))
    assert not found[0].any()
    assert np.isfinite(found).all()
    assert found.shape == (2, len(slice_shapes.NAMES))
