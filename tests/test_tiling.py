"""Tiles cover an image, come back as the image, and leave no seam."""

import numpy as np
import pytest

from lvae.imaging.tiling import blend, cut

GENERATOR = np.random.default_rng(4)


@pytest.mark.parametrize("shape", [(28, 28), (61, 40), (29, 100), (10, 50), (28, 27)])
@pytest.mark.parametrize("overlap", [0, 7, 14, 27])
def test_untouched_tiles_give_the_image_back(shape, overlap):
    image = GENERATOR.random((*shape, 2)).astype(np.float32)
    tiles, corners = cut(image, 28, overlap)
    assert tiles.shape[1:] == (28, 28, 2)
    assert len(tiles) == len(corners)
    np.testing.assert_allclose(blend(tiles, corners, *shape), image, atol=1e-6)


def test_neighbours_share_the_overlap_at_least():
    _, corners = cut(np.zeros((28, 101, 1)), 28, 9)
    steps = np.diff(corners[:, 1])
    assert steps.max() <= 28 - 9
    assert corners[0, 1] == 0
    assert corners[-1, 1] == 101 - 28


def test_tiles_that_disagree_blend_smoothly():
    """Tiles of constants 0, 1, 0, 1, ...: no step between neighbouring pixels is an edge."""
    overlap = 14
    tiles, corners = cut(np.zeros((28, 112, 1)), 28, overlap)
    tiles = np.ones_like(tiles) * (np.arange(len(tiles)) % 2).reshape(-1, 1, 1, 1)
    row = blend(tiles, corners, 28, 112)[14, :, 0]
    # sin^2 over cos^2 + sin^2 rises by pi / 28 a pixel at most where two tiles share 14 pixels
    assert np.abs(np.diff(row)).max() <= np.pi / 28 * 1.5
    assert row.min() < 0.05
    assert row.max() > 0.95


def test_an_overlap_of_a_whole_tile_is_refused():
    with pytest.raises(ValueError, match="overlap 28: expected 0 to 27"):
        cut(np.zeros((28, 28, 1)), 28, 28)
