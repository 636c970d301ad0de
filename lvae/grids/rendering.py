"""Moving images: the points of a grid as dots in two Gaussian blurs, as the registration code
expects them.

image = points + 255 G2 / max G2 + 255 G15 / max G15, stretched to 0..255, where `points` is 1 at
each point's pixel and G_s its blur by `scipy.ndimage.gaussian_filter(points, s)` (reflect, truncate
4; [virtanen2020]).

Two ways to the same image. `render` makes 8-bit images on the host, for files. `render_images`
makes a batch of float images from NumPy or JAX arrays, under `jit` too, for training loops that
draw on the fly. Neither blurs a frame: a blur that reflects at the borders is diagonal in cosines,
and a wide one leaves so few of them (66 of 768 for sigma 15) that sums over points and two thin
products are the whole work; a narrow one touches only 17 x 17 pixels per point.
"""

import functools
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Num, UInt8

SIGMAS = (2.0, 15.0)  # px, of the dots and of the glow around them
LASTEN_SIZE = 768  # px; widths and margins are those of frames of this size
LOWEST_PIXEL = 5  # nearer to the left or upper border nothing is drawn: "missing" in [zilker]
_TRUNCATE = 4.0  # a blur ends after so many sigmas, as in SciPy
_NEGLIGIBLE = 1e-4  # cosines that a blur damps below this are left out: 0.02 grey levels at most
_PATCH_SIGMA = 4.0  # px; narrower blurs are added patch by patch
_TOP = 256 * (1 - 2.0**-20)  # grey = floor(256 v) as matplotlib has it; the maximum at 255


def render(
    points: Num[np.ndarray, "rows columns 2"],
    visible: Bool[np.ndarray, "rows columns"],
    size: tuple[int, int] = (768, 768),
    *,
    sigmas: Sequence[int | float] = SIGMAS,
    scale: float = 1.0,
) -> UInt8[np.ndarray, "height width"]:
    """One moving image, 8-bit grey, all black without a point to draw.

    Args:
      points: x, y in pixels; fractions are cut off.
      visible: which points to draw.
      size: width and height of the frame in pixels.
      sigmas: of the blurs, in pixels.
      scale: of the blurs and of the margin, see `frame_scale`; 1 is LASTEN's own. A dot itself
        stays one pixel: it is half a grey level at most.
    """
    width, height = size
    sigmas = scaled(sigmas, scale)
    drawn = drawable(points, visible, size, scale=scale)
    x, y = points[drawn].astype(np.intp).T
    y, x = np.divmod(np.unique(y * width + x), width)  # points on one pixel are one dot
    if not len(x):
        return np.zeros((height, width), np.uint8)
    image = np.zeros((height, width), np.uint8)
    # Beyond the blurs' reach the image is black: only the part around the points is drawn.
    reach = max(_radius(sigma) for sigma in sigmas)
    rows = slice(max(0, y.min() - reach), min(height, y.max() + reach + 1))
    columns = slice(max(0, x.min() - reach), min(width, x.max() + reach + 1))
    blurs = []
    for index, sigma in enumerate(sorted(sigmas, reverse=True)):
        narrow = sigma < _PATCH_SIGMA and 0 < 2 * _radius(sigma) < min(size)
        blur = _blur_by_patches if narrow else _blur_by_cosines
        blurs.append(blur(x, y, size, rows, columns, sigma, index))
    # Each blur counts as 255 at its own peak; the unit here is such that the last stays as it is.
    *wider, total = blurs
    peak = total.max()
    for blurred in wider:
        blurred *= peak / blurred.max()
        total += blurred
    total[y - rows.start, x - columns.start] += peak / 255
    if total.size == image.size:
        total -= total.min()
    np.multiply(total, _TOP / total.max(), out=image[rows, columns], casting="unsafe")
    return image


def render_images(
    points: Float[Any, "images rows columns 2"],
    visible: Bool[Any, "images rows columns"],
    size: tuple[int, int] = (768, 768),
    *,
    sigmas: Sequence[int | float] = SIGMAS,
    pool: int = 1,
    scale: float = 1.0,
) -> Float[Any, "images height width"]:
    """Moving images in [0, 1], from NumPy or JAX arrays; `floor(256 v)` is what `render` writes.

    Args:
      points: x, y in pixels of the frame.
      visible: which points to draw.
      size: width and height of the frame in pixels; static under jit.
      sigmas: of the blurs, in pixels of the frame; static under jit.
      pool: draws the frame averaged over pool x pool pixels, (height / pool, width / pool), without
        ever making it: `size=(768, 768), pool=2` is the 384 x 384 image that the registration code
        gets by resizing. Positions keep the frame's precision. The stretch is that of the full
        frame, but that its largest value is taken over points instead of over all pixels.
      scale: as of `render`; static under jit.

    Raises:
      ValueError: `pool` does not divide the frame.
    """
    xp = points.__array_namespace__()
    width, height = size
    if width % pool or height % pool:
        raise ValueError(f"pool {pool} does not divide the frame, {width} x {height}")
    sigmas = scaled(sigmas, scale)
    count = points.shape[0]
    drawn = xp.reshape(drawable(points, visible, size, scale=scale), (count, -1))
    flat = xp.where(drawn[..., np.newaxis], xp.reshape(points, (count, -1, 2)), 0).astype(np.int32)
    x, y = flat[..., 0], flat[..., 1]
    weight = _first_on_its_pixel(xp, x + y * width, drawn).astype(np.float32)

    image = xp.zeros((count, height // pool, width // pool), np.float32)
    at_points = xp.where(weight > 0, np.float32(1), 0)
    image = _add_dots(xp, image, x // pool, y // pool, weight / pool**2)
    for sigma in sigmas:
        blurred, blurred_at_points = _blur_batch(xp, x, y, weight, size, float(sigma), pool)
        peak = xp.max(blurred, axis=(1, 2))
        if pool > 1:
            peak = xp.maximum(peak, xp.max(blurred_at_points, axis=1))
        gain = 255 / xp.where(peak > 0, peak, 1)
        image = image + blurred * gain[:, np.newaxis, np.newaxis]
        at_points = at_points + blurred_at_points * gain[:, np.newaxis]
    lowest = xp.min(image, axis=(1, 2))
    highest = xp.max(image, axis=(1, 2))
    if pool > 1:
        highest = xp.maximum(highest, xp.max(at_points, axis=1))
    span = xp.where(highest > lowest, highest - lowest, 1)
    return (image - lowest[:, np.newaxis, np.newaxis]) / span[:, np.newaxis, np.newaxis]


def drawable(
    points: Num[Any, "*grids 2"],
    visible: Bool[Any, "*grids"],
    size: tuple[int, int],
    *,
    scale: float = 1.0,
) -> Bool[Any, "*grids"]:
    """Which points are drawn: visible, in the frame, and not within 5 pixels, times `scale`, of its
    left or upper border."""
    width, height = size
    x, y = points[..., 0], points[..., 1]
    lowest = LOWEST_PIXEL * scale
    inside = (x >= lowest) & (y >= lowest) & (x < width) & (y < height)
    return visible & inside


def frame_scale(size: tuple[int, int]) -> float:
    """The scale at which a frame's image looks as LASTEN's does: that of its shorter side to 768."""
    return min(size) / LASTEN_SIZE


def scaled(sigmas: Sequence[int | float], scale: float) -> tuple[int | float, ...]:
    """Widths of blurs times `scale`; as they are at 1.

    Raises:
      ValueError: the scale is not above 0.
    """
    if not scale > 0:
        raise ValueError(f"scale {scale}: the scale of an image must be above 0")
    return tuple(sigmas) if scale == 1 else tuple(sigma * scale for sigma in sigmas)


# The blur of one image on the host.

_thread = threading.local()


def _scratch(name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """An array that this thread keeps from image to image, contents undefined: getting memory of
    this size anew from the system takes longer than the arithmetic done in it."""
    array = _thread.__dict__.get(name)
    if array is None or array.shape != shape:
        array = _thread.__dict__[name] = np.empty(shape, dtype)
    return array


def _blur_by_cosines(
    x: Any,
    y: Any,
    size: tuple[int, int],
    rows: slice,
    columns: slice,
    sigma: int | float,
    index: int,
) -> np.ndarray:
    """The blur in these rows and columns of the frame; valid until this thread draws its next
    image. index: of the blur in its image."""
    width, height = size
    cosines_x, damped_x = _cosines(width, sigma)
    cosines_y, damped_y = _cosines(height, sigma)
    down = damped_y[rows] @ (cosines_y[y].T @ cosines_x[x])
    blurred = _scratch(f"blur {index}", (height, width))
    return np.matmul(
        down, damped_x[columns].T, out=blurred[: len(down), : columns.stop - columns.start]
    )


def _blur_by_patches(
    x: Any,
    y: Any,
    size: tuple[int, int],
    rows: slice,
    columns: slice,
    sigma: int | float,
    index: int,
) -> np.ndarray:
    """The same for a narrow blur: adds the blurred dot around every point on a canvas wider by the
    blur's radius, and folds what fell outside the frame back in."""
    width, height = size
    radius = _radius(sigma)
    whole_canvas = _scratch(f"canvas {index}", (height + 2 * radius, width + 2 * radius))
    stride = whole_canvas.shape[1]
    most = 2 ** len(x).bit_length()  # so that buffers serve images with about as many points
    within, values = _patches(stride, sigma, most)
    places = _scratch(f"places {index}", (most, within.size), np.intp)[: len(x)]
    corner = (y - rows.start) * stride + x - columns.start
    np.add(corner[:, np.newaxis], within, out=places)
    canvas = whole_canvas[
        : rows.stop - rows.start + 2 * radius, : columns.stop - columns.start + 2 * radius
    ]
    canvas.fill(0)
    np.add.at(whole_canvas.reshape(-1), places.reshape(-1), values[: places.size])
    for lines in (canvas, canvas[radius:-radius].T):
        lines[radius : 2 * radius] += lines[:radius][::-1]
        lines[-2 * radius : -radius] += lines[-radius:][::-1]
    return canvas[radius:-radius, radius:-radius]


@functools.lru_cache(maxsize=16)
def _patches(stride: int, sigma: int | float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of a patch's pixels in a canvas of `stride` columns, (1, pixels), and the values of
    `count` patches one after another."""
    kernel = _kernel(sigma).astype(np.float32)
    offsets = np.arange(len(kernel))
    within = np.add.outer(offsets * stride, offsets).reshape(1, -1)
    return within, np.tile(np.outer(kernel, kernel).ravel(), count)


# The blurs of a batch of images, on either kind of array.


def _blur_batch(
    xp: ModuleType, x: Any, y: Any, weight: Any, size: tuple[int, int], sigma: float, pool: int
) -> tuple[Any, Any]:
    """The blur averaged over pool x pool pixels, (images, height, width), and about its values in
    the full frame at the points, (images, points)."""
    width, height = size
    cosines_x, damped_x = _cosines(width, sigma)
    cosines_y, damped_y = _cosines(height, sigma)
    if cosines_x.shape[1] + cosines_y.shape[1] < 2 * x.shape[1]:  # fewer cosines than points
        across = xp.asarray(_averaged(damped_x, pool).T)
        down = xp.asarray(_averaged(damped_y, pool))
        of_points = xp.asarray(cosines_y)[y] * weight[..., np.newaxis]
        sums = _product(xp, xp.swapaxes(of_points, 1, 2), xp.asarray(cosines_x)[x])
        blurred = _product(xp, down, _product(xp, sums, across))
        image = np.arange(x.shape[0])[:, np.newaxis]
        at_points = blurred[image, y // pool, x // pool]  # so wide a blur varies little in a pool
    else:
        across = xp.asarray(_averaged(damped_x @ cosines_x.T, pool).T)
        down = xp.asarray(_averaged(damped_y @ cosines_y.T, pool).T)
        of_points = down[y] * weight[..., np.newaxis]
        blurred = _product(xp, xp.swapaxes(of_points, 1, 2), across[x])
        squared = (x[:, :, np.newaxis] - x[:, np.newaxis, :]) ** 2
        squared = squared + (y[:, :, np.newaxis] - y[:, np.newaxis, :]) ** 2
        near = xp.exp(squared.astype(np.float32) * np.float32(-0.5 / sigma**2))
        at_points = xp.sum(near * weight[:, np.newaxis, :], axis=2)
        at_points = at_points * np.float32(_kernel(sigma).max() ** 2)
    return blurred, at_points * (weight > 0)


def _first_on_its_pixel(xp: ModuleType, pixel: Any, drawn: Any) -> Any:
    """Of the drawn points on one pixel, the first: several set it to 1 no more than one does."""
    points = pixel.shape[1]
    earlier = np.tril(np.ones((1, points, points), dtype=bool), -1)
    same = (pixel[:, :, np.newaxis] == pixel[:, np.newaxis, :]) & drawn[:, np.newaxis, :] & earlier
    return drawn & ~xp.any(same, axis=2)


def _add_dots(xp: ModuleType, images: Any, x: Any, y: Any, values: Any) -> Any:
    image = np.arange(x.shape[0])[:, np.newaxis]
    if xp is np:
        np.add.at(images, (image, y, x), values)
        return images
    return images.at[image, y, x].add(values)


def _product(xp: ModuleType, left: Any, right: Any) -> Any:
    """A matrix product in float32 proper: accelerators otherwise round to 10 bits, a grey level or
    so."""
    return left @ right if xp is np else xp.matmul(left, right, precision="highest")


def _averaged(table: np.ndarray, pool: int) -> np.ndarray:
    """Means over `pool` rows at a time."""
    return table.reshape(-1, pool, table.shape[1]).mean(axis=1)


# The blur of one line, scipy.ndimage.gaussian_filter1d(line, sigma, mode="reflect", truncate=4).


def _radius(sigma: int | float) -> int:
    return int(_TRUNCATE * sigma + 0.5)


def _kernel(sigma: int | float) -> np.ndarray:
    offsets = np.arange(-_radius(sigma), _radius(sigma) + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    return weights / weights.sum()


@functools.lru_cache(maxsize=16)
def _cosines(length: int, sigma: int | float) -> tuple[np.ndarray, np.ndarray]:
    """The blur as damped @ cosines.T, both (length, number of cosines).

    Cosines of half-sample phase are the eigenvectors of every symmetric filter that reflects at the
    borders; the eigenvalue is the kernel's response at the cosine's frequency.
    """
    frequency = np.pi * np.arange(length) / length
    kernel = _kernel(sigma)
    response = np.cos(np.outer(frequency, np.arange(len(kernel)) - _radius(sigma))) @ kernel
    kept = np.abs(response) > _NEGLIGIBLE
    cosines = np.cos(np.outer(np.arange(length) + 0.5, frequency[kept])) * np.sqrt(2 / length)
    cosines[:, 0] = np.sqrt(1 / length)
    return cosines.astype(np.float32), (cosines * response[kept]).astype(np.float32)
