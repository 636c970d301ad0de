"""`python -m benchmarks.imaging`: image operations on 256 images of 512 x 512, against loops.

Each operation runs here as jitted batches, and as a plain loop over the images with scikit-image
(SciPy or NumPy where it has none) and with OpenCV. Float32 images, one channel; equalisation in
OpenCV on bytes. Prints images per second and ratios of one run; --images and --size make it smaller.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage
from skimage import exposure, measure, metrics, util

from benchmarks import report
from lvae.imaging import filters, histograms, noise, pooling
from lvae.metrics import images as image_metrics

BATCH = 16  # images per call: larger ones leave the caches
KERNEL = np.array([[1.0, 2.0, 0.5], [0.0, -3.0, 1.0], [0.3, 0.2, -1.0]], np.float32)
Operation = Callable[..., Any]


def operations() -> dict[str, tuple[Operation, Operation | None, Operation | None]]:
    """Name -> (batch and key -> batch, image -> image without OpenCV, with OpenCV)."""
    kernel = jnp.asarray(KERNEL)
    sigma = 42 / 255
    generator = np.random.default_rng(0)

    def cv_noise(image):
        draw = np.empty_like(image)
        cv2.randn(draw, 0.0, sigma)
        return np.clip(image + draw, 0.0, 1.0)

    return {
        "box 5x5": (
            lambda x, key: filters.box_filter(x),
            lambda x: ndimage.uniform_filter(x, 5, mode="mirror"),
            lambda x: cv2.blur(x, (5, 5)),
        ),
        "Gaussian 5x5": (
            lambda x, key: filters.gaussian_filter(x),
            lambda x: ndimage.gaussian_filter(x, 1.1, mode="mirror", radius=2),
            lambda x: cv2.GaussianBlur(x, (5, 5), 0),
        ),
        "median 5x5": (
            lambda x, key: filters.median_filter(x),
            lambda x: ndimage.median_filter(x, 5, mode="mirror"),
            lambda x: cv2.medianBlur(x, 5),
        ),
        "3x3 convolution": (
            lambda x, key: filters.correlate(x, kernel),
            lambda x: ndimage.correlate(x, KERNEL, mode="mirror"),
            lambda x: cv2.filter2D(x, -1, KERNEL),
        ),
        "equalisation": (
            lambda x, key: histograms.equalize(x),
            lambda x: exposure.equalize_hist(x),
            lambda x: cv2.equalizeHist((x * 255).astype(np.uint8)),
        ),
        "mean pooling 2": (
            lambda x, key: pooling.mean_pool(x, 2),
            lambda x: measure.block_reduce(x, 2, np.mean),
            lambda x: cv2.resize(x, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        ),
        "Gaussian noise": (
            lambda x, key: noise.gaussian_noise(key, x, sigma),
            lambda x: util.random_noise(x, "gaussian", rng=generator, var=sigma**2),
            cv_noise,
        ),
        "salt and pepper": (
            lambda x, key: noise.salt_and_pepper(key, x, 0.07),
            lambda x: util.random_noise(x, "s&p", rng=generator, amount=0.07),
            None,
        ),
        "SSIM": (
            lambda x, key: image_metrics.ssim(x, x[::-1]),
            lambda x: metrics.structural_similarity(
                x,
                x[::-1],
                gaussian_weights=True,
                use_sample_covariance=False,
                data_range=1.0,
            ),
            None,
        ),
    }


def rate_of_batches(function: Operation, images: np.ndarray) -> float:
    """Images a second, compile time left out, the transfer to the device too."""
    jitted = jax.jit(function)
    batches = [jnp.asarray(images[i : i + BATCH, ..., None]) for i in range(0, len(images), BATCH)]
    key = jax.random.key(0)
    jax.block_until_ready(jitted(batches[0], key))
    start = time.perf_counter()
    for batch in batches:
        result = jitted(batch, key)
    jax.block_until_ready(result)
    return len(images) / (time.perf_counter() - start)


def rate_of_loop(function: Operation | None, images: np.ndarray) -> float:
    """Images a second of a plain loop over some of the images; 0 without such a function."""
    if function is None:
        return 0.0
    function(images[0])
    start = time.perf_counter()
    for image in images:
        function(image)
    return len(images) / (time.perf_counter() - start)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--size", type=int, default=512, help="pixels a side")
    parser.add_argument("--loop_images", type=int, default=32, help="images of the slow loops")
    arguments = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "scikit-image", "scipy", "opencv-python-headless", "numpy"))
    print(f"{arguments.images} images of {arguments.size} x {arguments.size}, images per second\n")
    shape = (arguments.images, arguments.size, arguments.size)
    images = np.random.default_rng(0).random(shape, np.float32)
    rows = []
    for name, (ours, plain, opencv) in operations().items():
        fast = rate_of_batches(ours, images)
        slow = rate_of_loop(plain, images[: arguments.loop_images])
        cv = rate_of_loop(opencv, images[: arguments.loop_images])
        rows.append(
            {
                "operation": name,
                "here": fast,
                "scikit-image / SciPy": slow,
                "OpenCV": cv or "",
                "times scikit-image / SciPy": fast / slow,
                "times OpenCV": fast / cv if cv else "",
            }
        )
    print(report.table(rows))


if __name__ == "__main__":
    main()
