"""Moving images against SciPy's filters on whole frames, and against LASTEN's own."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from lvae.grids import rendering


def stretched(points, visible, size, sigmas=(2.0, 15.0)):
    """The image before it is rounded, 0..1, by whole-frame filters in float64."""
    width, height = size
    dots = np.zeros((height, width))
    for (x, y), seen in zip(points.reshape(-1, 2), visible.ravel()):
        if seen and int(x) >= 5 and int(y) >= 5 and int(x) < width and int(y) < height:
            dots[int(y), int(x)] = 1
    image = 0.3 * dots
    for sigma in sigmas:
        blurred = gaussian_filter(dots, sigma)
        image = image + 0.3 * 255 * blurred / blurred.max()
    image = image - image.min()
    return image / image.max()


def scattered(size, count, seed, visible=0.9):
    """Points all over the frame and beyond it, some on one pixel."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-10, np.array(size) + 10, (count, 1, 2))
    points[: count // 10] = points[count // 10 : 2 * (count // 10)]
    return points, rng.random((count, 1)) < visible


def frame(path):
    points, visible = np.zeros((18, 18, 2)), np.zeros((18, 18), dtype=bool)
    for key, point in json.loads(path.read_text()).items():
        points[divmod(int(key), 18)], visible[divmod(int(key), 18)] = point, True
    return points, visible


SIZES = [(768, 768), (256, 512), (384, 200), (64, 48), (20, 12)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 60, 324])
def test_an_image_is_within_one_grey_level_of_scipy(size, count):
    points, visible = scattered(size, count, seed=count)
    points[0], visible[0] = [[size[0] - 1.5, size[1] - 1.5]], True  # reflects at two borders
    image = rendering.render(points, visible, size)
    oracle = 255 * stretched(points, visible, size)
    assert image.shape == size[::-1]
    assert image.dtype == np.uint8
    assert (image.min(), image.max()) == (0, 255)
    for rounded in (np.rint(oracle), np.floor(oracle)):
        assert np.abs(image - rounded).max() <= 1


def test_lastens_own_moving_images(lasten):
    pictures = sorted(lasten.glob("*/*_mov.png"))
    assert len(pictures) == 8
    for picture in pictures:
        theirs = np.asarray(Image.open(picture).convert("L")).astype(int)
        number = picture.name.removesuffix("_mov.png")
        ours = rendering.render(*frame(picture.with_name(f"{number}.json")))
        difference = np.abs(ours - theirs)
        assert difference.max() <= 2
        assert difference.mean() <= 0.1


def test_points_on_one_pixel_are_one_dot():
    once = np.array([[[100.2, 50.9]], [[40.0, 60.0]]])
    twice = np.concatenate([once, [[[100.9, 50.1]]]])
    seen = np.ones((3, 1), dtype=bool)
    assert np.array_equal(
        rendering.render(twice, seen, (150, 100)), rendering.render(once, seen[:2], (150, 100))
    )


def test_nothing_to_draw_is_black():
    points, visible = np.full((3, 3, 2), 4.9), np.ones((3, 3), dtype=bool)
    assert not rendering.render(points, visible, (40, 30)).any()
    assert not rendering.render_images(points[np.newaxis], visible[np.newaxis], (40, 30)).any()
    points[0, 0] = np.nan
    assert not rendering.render(points, visible, (40, 30)).any()


@pytest.mark.parametrize(("size", "sigmas"), [((768, 768), (2.0, 15.0)), ((96, 64), (0.5, 3.75))])
def test_on_the_device_the_image_is_the_same(size, sigmas):
    points, visible = scattered(size, 300, seed=1)
    batch = np.stack([points, points[::-1] * 0.7]).astype(np.float32)
    seen = np.stack([visible, visible[::-1]])
    draw = jax.jit(lambda p, v: rendering.render_images(p, v, size, sigmas=sigmas))
    images = np.asarray(draw(jnp.asarray(batch), jnp.asarray(seen)))
    assert images.dtype == np.float32
    for image, grid, mask in zip(images, batch, seen):
        # 1e-4 of the cosines left out on either axis, and float32 sums over 300 points.
        assert np.abs(image - stretched(grid, mask, size, sigmas)).max() < 1e-3
        written = rendering.render(grid, mask, size, sigmas=sigmas).astype(int)
        assert np.abs(np.minimum(np.floor(image * 256), 255) - written).max() <= 1


def test_numpy_and_jax_arrays_give_the_same_images():
    points, visible = scattered((96, 64), 50, seed=2)
    points, visible = points[np.newaxis].astype(np.float32), visible[np.newaxis]
    host = rendering.render_images(points, visible, (96, 64))
    draw = jax.jit(lambda p, v: rendering.render_images(p, v, (96, 64)))
    device = draw(jnp.asarray(points), jnp.asarray(visible))
    assert isinstance(host, np.ndarray)
    assert np.abs(host - np.asarray(device)).max() < 1e-4


@pytest.mark.parametrize("pool", [2, 4])
def test_a_pooled_image_is_the_full_one_averaged(lasten, pool):
    full, pooled, stacked = [], [], []
    for number in (0, 57, 139):
        full.append(stretched(*frame(lasten / "train" / f"{number}.json"), (768, 768)))
        stacked.append(frame(lasten / "train" / f"{number}.json"))
    points = np.stack([points for points, _ in stacked]).astype(np.float32)
    visible = np.stack([visible for _, visible in stacked])
    pooled = rendering.render_images(points, visible, (768, 768), pool=pool)
    side = 768 // pool
    for image, reference in zip(pooled, full):
        averaged = reference.reshape(side, pool, side, pool).mean(axis=(1, 3))
        # The full frame's largest value is taken at the points: right to half a per cent.
        assert np.abs(image - averaged).max() < 0.005


def test_a_pool_that_does_not_divide_the_frame_is_refused():
    with pytest.raises(ValueError, match="pool 5 does not divide the frame, 768 x 768"):
        rendering.render_images(np.zeros((1, 2, 2, 2)), np.ones((1, 2, 2), bool), pool=5)


@pytest.mark.parametrize("size", [(256, 256), (256, 512), (1536, 1152), (40, 30)])
def test_a_scaled_image_is_scipys_with_scaled_blurs(size):
    scale = rendering.frame_scale(size)
    assert scale == min(size) / 768
    margin = 5 * scale
    points, visible = scattered(size, 60, seed=3)
    points[0] = [[margin - 0.01, 20.0]]
    points[1] = [[margin + 0.01, 20.0]]
    visible[:2] = True
    drawn = visible & (points >= margin).all(-1) & (points < size).all(-1)
    dots = np.zeros(size[::-1])
    x, y = points[drawn].astype(int).T
    dots[y, x] = 1
    image = dots.copy()
    for sigma in (2.0 * scale, 15.0 * scale):
        blurred = gaussian_filter(dots, sigma)
        image += 255 * blurred / blurred.max()
    image = (image - image.min()) / (image.max() - image.min())
    ours = rendering.render(points, visible, size, scale=scale)
    assert np.abs(ours - 255 * image).max() <= 1.5
    if size[0] <= 512:
        batch = rendering.render_images(points[None], visible[None], size, scale=scale)
        assert np.abs(batch[0] - image).max() < 0.5 / 255


def test_scale_one_is_lastens_own():
    points, visible = scattered((768, 768), 324, seed=0)
    expected = rendering.render(points, visible)
    assert np.array_equal(rendering.render(points, visible, scale=1.0), expected)
    assert not np.array_equal(rendering.render(points, visible, scale=1.5), expected)
    with pytest.raises(ValueError, match="scale 0"):
        rendering.render(points, visible, scale=0)
